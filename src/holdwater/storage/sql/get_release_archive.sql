SELECT data FROM release_archives WHERE release = :release
