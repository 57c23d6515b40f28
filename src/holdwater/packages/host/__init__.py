"""The far side of hosts: what runs in the processes of packages."""
