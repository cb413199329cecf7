-- All certificates, soonest to expire first. A certificate of a server belongs to the service that showed it last.
-- ?1 since, ?2 until, ?3 rows at most, ?4 only those that end before (0: all), ?5 now (seconds since the epoch);
-- FILTER stands for the condition of the expression.
SELECT z.not_after,
       CAST(floor((z.not_after - ?5) / 86400.0) AS INTEGER),
       z.subject, z.names, z.issuer,
       CASE WHEN z.by_client AND z.by_server THEN 'both' WHEN z.by_client THEN 'client' WHEN z.by_server THEN 'server' END,
       count(DISTINCT CASE WHEN c.certificate = z.id THEN c.client END),
       group_concat(DISTINCT s.address || ':' || s.port),
       sum(c.count),
       z.key, z.signature, z.chain, z.serial, z.sha256, z.not_before, z.first, z.last
  FROM certificate z
  LEFT JOIN cell c ON c.count > 0 AND c.last >= ?1 AND c.first <= ?2
        AND (c.certificate = z.id OR c.service IN (SELECT id FROM service WHERE certificate = z.id))
  LEFT JOIN service s ON s.id = c.service
  LEFT JOIN outcome o ON o.id = c.outcome
  LEFT JOIN client k ON k.id = c.client
 WHERE (?4 = 0 OR z.not_after < ?4) AND z.last >= ?1 AND z.first <= ?2 AND FILTER
 GROUP BY z.id
 ORDER BY z.not_after IS NULL, z.not_after, z.sha256
 LIMIT ?3
