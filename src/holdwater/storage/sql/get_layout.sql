SELECT layout FROM drawings WHERE digest = :digest AND layout_format = :layout_format
