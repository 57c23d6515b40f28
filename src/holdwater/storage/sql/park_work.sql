UPDATE work SET parked = :parked WHERE run_id = :run_id AND owner IS NULL
