;; A server as a core module of WASI preview 1: accepts connections at the listener that a dyno gives it (descriptor 4096),
;; one at a time, and answers each request with `ok`. It logs `p` for each time that it was woken. `;;PROBES` is replaced by
;; calls that run when the first connection was accepted; `note` logs a letter and the error number of a call.
(module
  (import "wasi_snapshot_preview1" "sock_accept" (func $sock_accept (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_recv" (func $sock_recv (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_send" (func $sock_send (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_shutdown" (func $sock_shutdown (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_renumber" (func $fd_renumber (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_seek" (func $fd_seek (param i32 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $fd_fdstat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_set_flags" (func $fd_fdstat_set_flags (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_get" (func $fd_filestat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $fd_prestat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (global $listener i32 (i32.const 4096))
  (global $connection (mut i32) (i32.const 0))

  ;; 0: the buffer of a line, 16: its text, 24: a result, 32: a buffer to read, 40: a buffer to write,
  ;; 64: a subscription, 128: an event, 512: data to write, 1024: data that was read.
  (data (i32.const 512) "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

  ;; 768: paths of the network.
  (data (i32.const 768) "udp/tcp/x")
  (data (i32.const 784) "name/a b")

  ;; Opens a path.
  (func $path (param $dir i32) (param $at i32) (param $len i32) (result i32)
    (call $path_open (local.get $dir) (i32.const 0) (local.get $at) (local.get $len)
      (i32.const 0) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 24)))

  (func $digit (param i32) (result i32)
    (select
      (i32.add (local.get 0) (i32.const 87))
      (i32.add (local.get 0) (i32.const 48))
      (i32.gt_u (local.get 0) (i32.const 9))))

  (func $note (param $letter i32) (param $error i32)
    (i32.store8 (i32.const 16) (local.get $letter))
    (i32.store8 (i32.const 17) (i32.const 32))
    (i32.store8 (i32.const 18) (call $digit (i32.shr_u (local.get $error) (i32.const 4))))
    (i32.store8 (i32.const 19) (call $digit (i32.and (local.get $error) (i32.const 15))))
    (i32.store8 (i32.const 20) (i32.const 10))
    (i32.store (i32.const 0) (i32.const 16))
    (i32.store (i32.const 4) (i32.const 5))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 24))))

  ;; Waits until a descriptor can be read.
  (func $wait (param $fd i32)
    (i32.store8 (i32.const 72) (i32.const 1))
    (i32.store (i32.const 80) (local.get $fd))
    (call $note (i32.const 112)
      (call $poll_oneoff (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 24))))

  ;; Sets the buffer at an address.
  (func $buffer (param $at i32) (param $data i32) (param $len i32)
    (i32.store (local.get $at) (local.get $data))
    (i32.store offset=4 (local.get $at) (local.get $len)))

  (func $accept
    (loop $again
      (call $wait (global.get $listener))
      (br_if $again
        (call $sock_accept (global.get $listener) (i32.const 0) (i32.const 24))))
    (global.set $connection (i32.load (i32.const 24))))

  (func $probe
    ;;PROBES
  )

  (func (export "_start")
    (local $error i32)
    (call $accept)
    (call $probe)
    (loop $next
      (call $buffer (i32.const 32) (i32.const 1024) (i32.const 65536))
      (local.set $error
        (call $fd_read (global.get $connection) (i32.const 32) (i32.const 1) (i32.const 24)))
      (if (i32.eq (local.get $error) (i32.const 6))
        (then (call $wait (global.get $connection)) (br $next)))
      (if (i32.or (local.get $error) (i32.eqz (i32.load (i32.const 24))))
        (then (drop (call $fd_close (global.get $connection))) (call $accept) (br $next)))
      (call $buffer (i32.const 40) (i32.const 512) (i32.const 40))
      (drop (call $fd_write (global.get $connection) (i32.const 40) (i32.const 1) (i32.const 24)))
      (br $next))))
