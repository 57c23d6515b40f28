DROP OWNED BY {username};
DROP ROLE {username};
