"""Operations on runs as interfaces, with an implementation for databases and one for servers."""
