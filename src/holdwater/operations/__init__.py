"""Operations on a database of runs, for command line, API and pages alike."""
