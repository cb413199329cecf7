-- The last handshakes in full.
-- ?1 since, ?2 until (seconds since the epoch), ?3 rows at most; FILTER stands for the condition of the expression.
SELECT h.time_us / 1000000, o.role, s.address, s.port, coalesce(k.address, '*'), h.client_port, s.name,
       nullif(o.version, ''), o.verdict, nullif(o.failure, ''), h.duration_us / 1000, z.subject, h.event, h.json, h.ladder
  FROM handshake h
  JOIN service s ON s.id = h.service
  JOIN outcome o ON o.id = h.outcome
  LEFT JOIN client k ON k.id = h.client
  LEFT JOIN certificate z ON z.id = h.certificate
 WHERE h.time_us >= ?1 * 1000000 AND h.time_us / 1000000 <= ?2 AND FILTER
 ORDER BY h.id DESC
 LIMIT ?3
