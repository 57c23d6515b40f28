"""Packages: workflows as signed archives, executed in processes of their own, release by release."""
