-- Parts for the tests of fragments.

-- part one
-- a comment
SELECT :value AS n

-- part outer
SELECT :first, n FROM ( {inner} ) WHERE n < :last

-- part union
UNION ALL
