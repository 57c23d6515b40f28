SELECT name, digest, seen_at FROM workflows
