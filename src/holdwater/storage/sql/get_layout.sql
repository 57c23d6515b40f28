SELECT layout FROM drawings WHERE structure = :structure AND layout_format = :layout_format
