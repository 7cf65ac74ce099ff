;; Takes two seconds to be instantiated, computing, and then answers everything with 200. The host must hold
;; requests back until it is up, and lose none.
(component
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (export "now" (func (result u64)))))
  (core func $now (canon lower (func $clock "now")))
  (import "wasi:http/types@0.2.0" (instance $types
    (export "incoming-request" (type (sub resource)))
    (export "response-outparam" (type $outparam (sub resource)))
    (export "outgoing-response" (type $outgoing (sub resource)))
    (export "fields" (type $list (sub resource)))
    (type $text (option string))
    (type $u8? (option u8))
    (type $u16? (option u16))
    (type $u32? (option u32))
    (type $u64? (option u64))
    (type $dns' (record (field "rcode" $text) (field "info-code" $u16?)))
    (export "DNS-error-payload" (type $dns (eq $dns')))
    (type $alert' (record (field "alert-id" $u8?) (field "alert-message" $text)))
    (export "TLS-alert-received-payload" (type $alert (eq $alert')))
    (type $size' (record (field "field-name" $text) (field "field-size" $u32?)))
    (export "field-size-payload" (type $size (eq $size')))
    (type $size? (option $size))
    (type $code' (variant
      (case "DNS-timeout") (case "DNS-error" $dns) (case "destination-not-found")
      (case "destination-unavailable") (case "destination-IP-prohibited") (case "destination-IP-unroutable")
      (case "connection-refused") (case "connection-terminated") (case "connection-timeout")
      (case "connection-read-timeout") (case "connection-write-timeout") (case "connection-limit-reached")
      (case "TLS-protocol-error") (case "TLS-certificate-error") (case "TLS-alert-received" $alert)
      (case "HTTP-request-denied") (case "HTTP-request-length-required") (case "HTTP-request-body-size" $u64?)
      (case "HTTP-request-method-invalid") (case "HTTP-request-URI-invalid") (case "HTTP-request-URI-too-long")
      (case "HTTP-request-header-section-size" $u32?) (case "HTTP-request-header-size" $size?)
      (case "HTTP-request-trailer-section-size" $u32?) (case "HTTP-request-trailer-size" $size)
      (case "HTTP-response-incomplete") (case "HTTP-response-header-section-size" $u32?)
      (case "HTTP-response-header-size" $size) (case "HTTP-response-body-size" $u64?)
      (case "HTTP-response-trailer-section-size" $u32?) (case "HTTP-response-trailer-size" $size)
      (case "HTTP-response-transfer-coding" $text) (case "HTTP-response-content-coding" $text)
      (case "HTTP-response-timeout") (case "HTTP-upgrade-failed") (case "HTTP-protocol-error")
      (case "loop-detected") (case "configuration-error") (case "internal-error" $text)))
    (export "error-code" (type $code (eq $code')))
    (export "[constructor]fields" (func (result (own $list))))
    (export "[constructor]outgoing-response" (func (param "headers" (own $list)) (result (own $outgoing))))
    (export "[method]outgoing-response.set-status-code"
      (func (param "self" (borrow $outgoing)) (param "status-code" u16) (result (result))))
    (type $answer (result (own $outgoing) (error $code)))
    (export "[static]response-outparam.set"
      (func (param "param" (own $outparam)) (param "response" $answer)))))
  (alias export $types "incoming-request" (type $request))
  (alias export $types "response-outparam" (type $out))

  (core module $memory (memory (export "memory") 1))
  (core instance $memory (instantiate $memory))
  (core func $fields (canon lower (func $types "[constructor]fields")))
  (core func $response (canon lower (func $types "[constructor]outgoing-response")))
  (core func $status (canon lower (func $types "[method]outgoing-response.set-status-code")))
  (core func $set (canon lower (func $types "[static]response-outparam.set") (memory (core memory $memory "memory"))))

  (core module $m
    (import "http" "fields" (func $fields (result i32)))
    (import "http" "response" (func $response (param i32) (result i32)))
    (import "http" "status" (func $status (param i32 i32) (result i32)))
    (import "http" "set" (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
    (import "clock" "now" (func $now (result i64)))

    (func $start
      (local $end i64)
      (local.set $end (i64.add (call $now) (i64.const 2_000_000_000)))
      (loop $again
        (br_if $again (i64.lt_u (call $now) (local.get $end)))))
    (start $start)

    (func (export "handle") (param $request i32) (param $out i32)
      (call $answer (local.get $out) (i32.const 200)))

    ;; Answers with a status and no body.
    (func $answer (param $out i32) (param $code i32)
      (local $reply i32)
      (local.set $reply (call $response (call $fields)))
      (drop (call $status (local.get $reply) (local.get $code)))
      (call $set (local.get $out) (i32.const 0) (local.get $reply)
        (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))))
  (core instance $i (instantiate $m
    (with "http" (instance
      (export "fields" (func $fields))
      (export "response" (func $response))
      (export "status" (func $status))
      (export "set" (func $set))))
    (with "clock" (instance (export "now" (func $now))))))

  (func $handle (param "request" (own $request)) (param "response-out" (own $out))
    (canon lift (core func $i "handle")))
  (instance $handler (export "handle" (func $handle)))
  (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))
