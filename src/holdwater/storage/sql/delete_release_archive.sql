DELETE FROM release_archives WHERE release = :release
