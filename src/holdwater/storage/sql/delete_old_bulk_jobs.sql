DELETE FROM bulk_jobs WHERE ended_at < :ended_before
