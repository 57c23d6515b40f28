SELECT name FROM workflows
