SELECT number, phase, name FROM {schema}.schema_version
