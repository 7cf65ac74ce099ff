;; What answers behind workerd's JavaScript: two pages in memory, room for a body, and the work.
(module
  (memory (export "memory") 4)
  (data (i32.const 0) "{page}")
  (data (i32.const 32768) "{body}")
  (func (export "page_length") (result i32) i32.const {page_length})
  (func (export "body") (result i32) i32.const 32768)
  (func (export "body_length") (result i32) i32.const {body_length})
  (func (export "work") (param $rounds i32) (result i32)
    (local $state i32)
    (local.set $state (i32.const 2463534242))
    (block $done
      (loop $round
        (br_if $done (i32.eqz (local.get $rounds)))
        (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
        (local.set $state (i32.xor (local.get $state) (i32.shl (local.get $state) (i32.const 13))))
        (local.set $state (i32.xor (local.get $state) (i32.shr_u (local.get $state) (i32.const 17))))
        (local.set $state (i32.xor (local.get $state) (i32.shl (local.get $state) (i32.const 5))))
        (br $round)))
    (local.get $state)))
