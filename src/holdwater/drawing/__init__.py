"""Pictures of graphs: Mermaid source, an outline in text, SVG, and an HTML page around it."""
