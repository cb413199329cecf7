-- Each TLS service of each role and what came of its handshakes.
-- ?1 since, ?2 until (seconds since the epoch), ?3 rows at most; FILTER stands for the condition of the expression.
SELECT s.address, s.port, CASE s.transport WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp' END, s.name, o.role, s.process,
       CASE WHEN s.pod != '' THEN s.namespace || '/' || s.pod
            WHEN s.container != '' THEN substr(s.container, 1, 12)
            ELSE s.unit END,
       coalesce(s.asks, max(o.requested)),
       sum(c.count),
       100.0 * sum(c.count * (o.verdict = 'presented')) / sum(c.count),
       100.0 * sum(c.count * (o.verdict = 'declined')) / sum(c.count),
       100.0 * sum(c.count * (o.verdict IN ('rejected_certificate', 'rejected_without_certificate'))) / sum(c.count),
       100.0 * sum(c.count * (o.verdict = 'resumed')) / sum(c.count),
       100.0 * sum(c.count * (o.verdict = 'unknown')) / sum(c.count),
       100.0 * sum(c.count * (o.trusted IS 1)) / nullif(sum(c.count * (o.trusted IS NOT NULL)), 0),
       sum(c.count * (o.verdict = 'not_tls')),
       group_concat(DISTINCT nullif(o.version, '')),
       (SELECT CASE p.failure WHEN '' THEN p.verdict ELSE p.failure END
          FROM failure f JOIN outcome p ON p.id = f.outcome
         WHERE f.service = s.id AND p.role = o.role AND f.time >= ?1 AND f.time <= ?2
         ORDER BY f.time DESC LIMIT 1),
       (SELECT max(f.time) FROM failure f JOIN outcome p ON p.id = f.outcome
         WHERE f.service = s.id AND p.role = o.role AND f.time >= ?1 AND f.time <= ?2),
       min(c.first), max(c.last),
       s.authorities, s.user, s.executable, s.unit, s.container, s.namespace, s.pod
  FROM cell c
  JOIN service s ON s.id = c.service
  JOIN outcome o ON o.id = c.outcome
  LEFT JOIN client k ON k.id = c.client
  LEFT JOIN certificate z ON z.id = c.certificate
 WHERE c.count > 0 AND c.last >= ?1 AND c.first <= ?2 AND FILTER
 GROUP BY s.id, o.role
 ORDER BY s.address, s.port, s.transport, s.name, o.role
 LIMIT ?3
