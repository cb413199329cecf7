-- Who connects where, with which certificate, and what came of it.
-- ?1 since, ?2 until (seconds since the epoch), ?3 rows at most; FILTER stands for the condition of the expression.
SELECT coalesce(k.address, '*'), k.process, z.subject, z.names, s.address, s.port, s.name, o.role,
       sum(c.count),
       sum(c.count * (o.verdict = 'presented')),
       sum(c.count * (o.verdict = 'declined')),
       sum(c.count * (o.verdict IN ('rejected_certificate', 'rejected_without_certificate'))),
       sum(c.count * (o.verdict = 'resumed')),
       sum(c.count * (o.verdict = 'unknown')),
       sum(c.count * (o.trusted IS 0)),
       (SELECT CASE p.failure WHEN '' THEN p.verdict ELSE p.failure END
          FROM failure f JOIN outcome p ON p.id = f.outcome
         WHERE f.service = s.id AND f.client = c.client AND f.certificate = c.certificate AND p.role = o.role AND f.time >= ?1 AND f.time <= ?2
         ORDER BY f.time DESC LIMIT 1),
       min(c.first), max(c.last), z.issuer, z.sha256, z.not_after,
       CASE WHEN k.pod != '' THEN k.namespace || '/' || k.pod
            WHEN k.container != '' THEN substr(k.container, 1, 12)
            ELSE k.unit END
  FROM cell c
  JOIN service s ON s.id = c.service
  JOIN outcome o ON o.id = c.outcome
  LEFT JOIN client k ON k.id = c.client
  LEFT JOIN certificate z ON z.id = c.certificate
 WHERE c.count > 0 AND c.last >= ?1 AND c.first <= ?2 AND FILTER
 GROUP BY c.client, c.certificate, s.id, o.role
 ORDER BY sum(c.count) DESC, k.address, s.address, s.port, s.name
 LIMIT ?3
