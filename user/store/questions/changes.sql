-- What is new, gone or different.
-- ?1 since, ?2 until (seconds since the epoch), ?3 rows at most; FILTER stands for the condition of the expression.
WITH found(time, what, service, subject, before, after) AS (
    SELECT first, 'new service', id, process, '', '' FROM service WHERE first >= ?1 AND first <= ?2
    UNION ALL
    SELECT last, 'gone: no handshake since', id, process, '', '' FROM service WHERE last < ?1
    UNION ALL
    SELECT h.time, h.what, h.service, '', coalesce(b.subject, h.before), coalesce(a.subject, h.after)
      FROM change h
      LEFT JOIN certificate b ON h.what = 'shows another certificate' AND b.id = CAST(h.before AS INTEGER)
      LEFT JOIN certificate a ON h.what = 'shows another certificate' AND a.id = CAST(h.after AS INTEGER)
     WHERE h.time >= ?1 AND h.time <= ?2
    UNION ALL
    SELECT min(c.first), 'new client certificate', c.service, n.subject, '', n.sha256
      FROM cell c JOIN certificate n ON n.id = c.certificate
     GROUP BY c.service, n.id HAVING min(c.first) >= ?1 AND min(c.first) <= ?2
    UNION ALL
    SELECT min(c.first), 'new version', c.service, '', '', o.version
      FROM cell c JOIN outcome o ON o.id = c.outcome JOIN service v ON v.id = c.service
     WHERE o.version != '' AND v.first < ?1
     GROUP BY c.service, o.version HAVING min(c.first) >= ?1 AND min(c.first) <= ?2
    UNION ALL
    SELECT min(c.first), 'new failure', c.service, '', '', o.failure
      FROM cell c JOIN outcome o ON o.id = c.outcome
     WHERE o.failure != ''
     GROUP BY c.service, o.failure HAVING min(c.first) >= ?1 AND min(c.first) <= ?2
)
SELECT x.time, x.what, s.address, s.port, s.name, x.subject, x.before, x.after
  FROM found x
  JOIN service s ON s.id = x.service
  LEFT JOIN outcome o ON NULL
  LEFT JOIN client k ON NULL
  LEFT JOIN certificate z ON NULL
 WHERE FILTER
 ORDER BY x.time DESC, x.what
 LIMIT ?3
