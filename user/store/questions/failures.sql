-- Failed handshakes by service, client, certificate and reason.
-- ?1 since, ?2 until (seconds since the epoch), ?3 rows at most; FILTER stands for the condition of the expression.
SELECT s.address, s.port, s.name, coalesce(k.address, '*'), z.subject, o.verdict, nullif(o.failure, ''),
       nullif(o.failed_by, ''), sum(c.count), min(c.first), max(c.last),
       (SELECT f.detail FROM failure f JOIN outcome p ON p.id = f.outcome
         WHERE f.service = c.service AND f.client = c.client AND f.certificate = c.certificate AND p.failure = o.failure AND p.verdict = o.verdict
           AND p.role = o.role ORDER BY f.time DESC LIMIT 1),
       (SELECT f.event FROM failure f JOIN outcome p ON p.id = f.outcome
         WHERE f.service = c.service AND f.client = c.client AND f.certificate = c.certificate AND p.failure = o.failure AND p.verdict = o.verdict
           AND p.role = o.role ORDER BY f.time DESC LIMIT 1),
       o.role
  FROM cell c
  JOIN service s ON s.id = c.service
  JOIN outcome o ON o.id = c.outcome
  LEFT JOIN client k ON k.id = c.client
  LEFT JOIN certificate z ON z.id = c.certificate
 WHERE c.count > 0 AND c.last >= ?1 AND c.first <= ?2
   AND (o.failure != '' OR o.verdict IN ('rejected_certificate', 'rejected_without_certificate', 'unanswered',
                                         'failed_before_request'))
   AND FILTER
 GROUP BY s.id, c.client, c.certificate, o.verdict, o.failure, o.failed_by, o.role
 ORDER BY max(c.last) DESC, sum(c.count) DESC
 LIMIT ?3
