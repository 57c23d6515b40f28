"""Drawings of graphs: Mermaid source, a text outline, SVG, and an HTML page around it."""
