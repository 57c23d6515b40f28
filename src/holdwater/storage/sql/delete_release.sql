DELETE FROM releases WHERE release = :release
