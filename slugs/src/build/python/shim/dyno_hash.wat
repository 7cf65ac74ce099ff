;; Python's extension module `_dyno_hash`: the inner loops of PBKDF2 and scrypt, which Python otherwise takes from
;; OpenSSL. `dyno_hash.py` does all the rest: it lays out one bytearray for a call, and reads the result from it.
;;
;; A shared library for componentize-py: it has no memory of its own but for the names below, and takes the C API of
;; CPython 3.14 from `libpython3.14.so`. Words are in the machine's order (little-endian).

(module
  (@dylink.0
    (needed "libpython3.14.so")
    (mem-info (memory 256 4) (table 4 0)))

  (import "env" "memory" (memory 1))
  (import "env" "__indirect_function_table" (table 4 funcref))
  (import "env" "__memory_base" (global $memory_base i32))
  (import "env" "__table_base" (global $table_base i32))
  (import "env" "PyByteArray_AsString" (func $bytes_of (param i32) (result i32)))
  (import "env" "PyLong_FromLong" (func $int_of (param i32) (result i32)))
  (import "env" "PyModule_Create2" (func $create_module (param i32 i32) (result i32)))

  ;; 0: PyModuleDef, 13 words. 64: PyMethodDef, four of 4 words and an empty one. 160: names.
  (data (global.get $memory_base)
    "\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00"
    "\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00"
    "\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00"
    "\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00"
    "\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00"
    "_dyno_hash\00\00\00\00\00\00sha1\00\00\00\00sha256\00\00sha512\00\00scrypt\00\00")
  (elem (global.get $table_base) func $py_sha1 $py_sha256 $py_sha512 $py_scrypt)

  ;; The module, as `import _dyno_hash` makes it.
  (func (export "PyInit__dyno_hash") (result i32)
    (local $base i32)
    (local.set $base (global.get $memory_base))
    (i32.store offset=20 (local.get $base) (i32.add (local.get $base) (i32.const 160)))
    (i32.store offset=28 (local.get $base) (i32.const -1)) ;; no state of its own
    (i32.store offset=32 (local.get $base) (i32.add (local.get $base) (i32.const 64)))
    (call $define (i32.const 0) (i32.const 176))
    (call $define (i32.const 1) (i32.const 184))
    (call $define (i32.const 2) (i32.const 192))
    (call $define (i32.const 3) (i32.const 200))
    (call $create_module (local.get $base) (i32.const 1013)))

  ;; The method of this number has the name at this offset.
  (func $define (param $number i32) (param $name i32)
    (local $entry i32)
    (local.set $entry
      (i32.add (i32.add (global.get $memory_base) (i32.const 64)) (i32.shl (local.get $number) (i32.const 4))))
    (i32.store (local.get $entry) (i32.add (global.get $memory_base) (local.get $name)))
    (i32.store offset=4 (local.get $entry) (i32.add (global.get $table_base) (local.get $number)))
    (i32.store offset=8 (local.get $entry) (i32.const 8))) ;; METH_O: one argument

  (func $py_sha1 (param $module i32) (param $argument i32) (result i32)
    (call $pbkdf2_sha1 (call $bytes_of (local.get $argument)))
    (call $int_of (i32.const 0)))

  (func $py_sha256 (param $module i32) (param $argument i32) (result i32)
    (call $pbkdf2_sha256 (call $bytes_of (local.get $argument)))
    (call $int_of (i32.const 0)))

  (func $py_sha512 (param $module i32) (param $argument i32) (result i32)
    (call $pbkdf2_sha512 (call $bytes_of (local.get $argument)))
    (call $int_of (i32.const 0)))

  (func $py_scrypt (param $module i32) (param $argument i32) (result i32)
    (call $romix (call $bytes_of (local.get $argument)))
    (call $int_of (i32.const 0)))

  ;; PBKDF2 with HMAC-SHA-1. At $b, in words of 32 bits: the constants of the four rounds [4], the initial hash [5], the
  ;; key padded to a block [16], U [5], T [5], the iterations left [1], and room for the schedule [80], the states of the
  ;; inner and the outer hash after the key [5, 5], a block [16].
  (func $pbkdf2_sha1 (param $b i32)
    (local $i i32) (local $block i32) (local $left i32)
    (local.set $block (i32.add (local.get $b) (i32.const 504)))
    (call $key_sha1 (local.get $b) (i32.const 0x36363636) (i32.const 464))
    (call $key_sha1 (local.get $b) (i32.const 0x5c5c5c5c) (i32.const 484))
    (memory.copy (local.get $block) (i32.add (local.get $b) (i32.const 100)) (i32.const 20))
    (memory.fill (i32.add (local.get $block) (i32.const 20)) (i32.const 0) (i32.const 44))
    (i32.store offset=20 (local.get $block) (i32.const 0x80000000))
    (i32.store offset=60 (local.get $block) (i32.const 672))
    (local.set $left (i32.load offset=140 (local.get $b)))
    (loop $iterations
      (if (local.get $left)
        (then
          (call $sha1 (local.get $b) (i32.add (local.get $b) (i32.const 464)) (local.get $block) (local.get $block))
          (call $sha1 (local.get $b) (i32.add (local.get $b) (i32.const 484)) (local.get $block) (local.get $block))
          (local.set $i (i32.const 0))
          (loop $words
            (i32.store offset=120 (i32.add (local.get $b) (local.get $i))
              (i32.xor
                (i32.load offset=120 (i32.add (local.get $b) (local.get $i)))
                (i32.load (i32.add (local.get $block) (local.get $i)))))
            (local.set $i (i32.add (local.get $i) (i32.const 4)))
            (br_if $words (i32.lt_u (local.get $i) (i32.const 20))))
          (local.set $left (i32.sub (local.get $left) (i32.const 1)))
          (br $iterations)))))

  (func $key_sha1 (param $b i32) (param $pad i32) (param $to i32)
    (local $i i32)
    (loop $words
      (i32.store offset=504 (i32.add (local.get $b) (local.get $i))
        (i32.xor (i32.load offset=36 (i32.add (local.get $b) (local.get $i))) (local.get $pad)))
      (local.set $i (i32.add (local.get $i) (i32.const 4)))
      (br_if $words (i32.lt_u (local.get $i) (i32.const 64))))
    (call $sha1
      (local.get $b)
      (i32.add (local.get $b) (i32.const 16))
      (i32.add (local.get $b) (i32.const 504))
      (i32.add (local.get $b) (local.get $to))))

  ;; One block of SHA-1 (FIPS 180-4, 6.1).
  (func $sha1 (param $b i32) (param $s i32) (param $m i32) (param $out i32)
    (local $i i32) (local $at i32) (local $part i32) (local $t i32)
    (local $a i32) (local $b2 i32) (local $c i32) (local $d i32) (local $e i32)
    (memory.copy (i32.add (local.get $b) (i32.const 144)) (local.get $m) (i32.const 64))
    (local.set $i (i32.const 0))
    (loop $schedule
      (local.set $at (i32.add (local.get $b) (local.get $i)))
      (i32.store offset=208 (local.get $at)
        (i32.rotl
          (i32.xor
            (i32.xor (i32.load offset=196 (local.get $at)) (i32.load offset=176 (local.get $at)))
            (i32.xor (i32.load offset=152 (local.get $at)) (i32.load offset=144 (local.get $at))))
          (i32.const 1)))
      (local.set $i (i32.add (local.get $i) (i32.const 4)))
      (br_if $schedule (i32.lt_u (local.get $i) (i32.const 256))))
    (local.set $a (i32.load (local.get $s)))
    (local.set $b2 (i32.load offset=4 (local.get $s)))
    (local.set $c (i32.load offset=8 (local.get $s)))
    (local.set $d (i32.load offset=12 (local.get $s)))
    (local.set $e (i32.load offset=16 (local.get $s)))
    (local.set $i (i32.const 0))
    (loop $rounds
      (local.set $part (i32.div_u (local.get $i) (i32.const 80)))
      (if (i32.eqz (local.get $part))
        (then
          (local.set $t
            (i32.xor (local.get $d) (i32.and (local.get $b2) (i32.xor (local.get $c) (local.get $d))))))
        (else
          (if (i32.eq (local.get $part) (i32.const 2))
            (then
              (local.set $t
                (i32.or
                  (i32.and (local.get $b2) (i32.or (local.get $c) (local.get $d)))
                  (i32.and (local.get $c) (local.get $d)))))
            (else
              (local.set $t (i32.xor (local.get $b2) (i32.xor (local.get $c) (local.get $d))))))))
      (local.set $t
        (i32.add
          (i32.add (i32.rotl (local.get $a) (i32.const 5)) (i32.add (local.get $t) (local.get $e)))
          (i32.add
            (i32.load (i32.add (local.get $b) (i32.shl (local.get $part) (i32.const 2))))
            (i32.load offset=144 (i32.add (local.get $b) (local.get $i))))))
      (local.set $e (local.get $d))
      (local.set $d (local.get $c))
      (local.set $c (i32.rotl (local.get $b2) (i32.const 30)))
      (local.set $b2 (local.get $a))
      (local.set $a (local.get $t))
      (local.set $i (i32.add (local.get $i) (i32.const 4)))
      (br_if $rounds (i32.lt_u (local.get $i) (i32.const 320))))
    (i32.store (local.get $out) (i32.add (local.get $a) (i32.load (local.get $s))))
    (i32.store offset=4 (local.get $out) (i32.add (local.get $b2) (i32.load offset=4 (local.get $s))))
    (i32.store offset=8 (local.get $out) (i32.add (local.get $c) (i32.load offset=8 (local.get $s))))
    (i32.store offset=12 (local.get $out) (i32.add (local.get $d) (i32.load offset=12 (local.get $s))))
    (i32.store offset=16 (local.get $out) (i32.add (local.get $e) (i32.load offset=16 (local.get $s)))))

  ;; PBKDF2 with HMAC-SHA-256 (RFC 8018, 5.2), all iterations of one block after the first. At $b, in words of 32 bits:
  ;; K[64], the initial hash [8], the key padded to a block [16], U [8], T [8], the iterations left [1], and room for the
  ;; schedule [64], the states of the inner and the outer hash after the key [8, 8], a block [16].
  (func $pbkdf2_sha256 (param $b i32)
    (local $i i32) (local $block i32) (local $left i32)
    (local.set $block (i32.add (local.get $b) (i32.const 740)))
    (call $key_sha256 (local.get $b) (i32.const 0x36363636) (i32.const 676))
    (call $key_sha256 (local.get $b) (i32.const 0x5c5c5c5c) (i32.const 708))
    ;; A digest as the only block after the key: 8 words, a bit, and the length of both blocks in bits.
    (memory.copy (local.get $block) (i32.add (local.get $b) (i32.const 352)) (i32.const 32))
    (memory.fill (i32.add (local.get $block) (i32.const 32)) (i32.const 0) (i32.const 32))
    (i32.store offset=32 (local.get $block) (i32.const 0x80000000))
    (i32.store offset=60 (local.get $block) (i32.const 768))
    (local.set $left (i32.load offset=416 (local.get $b)))
    (loop $iterations
      (if (local.get $left)
        (then
          (call $sha256 (local.get $b) (i32.add (local.get $b) (i32.const 676)) (local.get $block) (local.get $block))
          (call $sha256 (local.get $b) (i32.add (local.get $b) (i32.const 708)) (local.get $block) (local.get $block))
          (local.set $i (i32.const 0))
          (loop $words
            (i32.store offset=384 (i32.add (local.get $b) (local.get $i))
              (i32.xor
                (i32.load offset=384 (i32.add (local.get $b) (local.get $i)))
                (i32.load (i32.add (local.get $block) (local.get $i)))))
            (local.set $i (i32.add (local.get $i) (i32.const 4)))
            (br_if $words (i32.lt_u (local.get $i) (i32.const 32))))
          (local.set $left (i32.sub (local.get $left) (i32.const 1)))
          (br $iterations)))))

  ;; The state after the key, each of whose words is changed by $pad, to offset $to.
  (func $key_sha256 (param $b i32) (param $pad i32) (param $to i32)
    (local $i i32)
    (loop $words
      (i32.store offset=740 (i32.add (local.get $b) (local.get $i))
        (i32.xor (i32.load offset=288 (i32.add (local.get $b) (local.get $i))) (local.get $pad)))
      (local.set $i (i32.add (local.get $i) (i32.const 4)))
      (br_if $words (i32.lt_u (local.get $i) (i32.const 64))))
    (call $sha256
      (local.get $b)
      (i32.add (local.get $b) (i32.const 256))
      (i32.add (local.get $b) (i32.const 740))
      (i32.add (local.get $b) (local.get $to))))

  ;; One block of SHA-256 (FIPS 180-4, 6.2): the state at $s and the block at $m give the state at $out.
  (func $sha256 (param $b i32) (param $s i32) (param $m i32) (param $out i32)
    (local $i i32) (local $at i32) (local $x i32) (local $y i32)
    (local $t1 i32) (local $t2 i32)
    (local $a i32) (local $b2 i32) (local $c i32) (local $d i32)
    (local $e i32) (local $f i32) (local $g i32) (local $h i32)
    (memory.copy (i32.add (local.get $b) (i32.const 420)) (local.get $m) (i32.const 64))
    (local.set $i (i32.const 64))
    (loop $schedule
      (local.set $at (i32.add (i32.add (local.get $b) (i32.const 356)) (local.get $i)))
      (local.set $x (i32.load offset=4 (local.get $at)))
      (local.set $y (i32.load offset=56 (local.get $at)))
      (i32.store offset=64 (local.get $at)
        (i32.add
          (i32.add (i32.load (local.get $at)) (i32.load offset=36 (local.get $at)))
          (i32.add
            (i32.xor
              (i32.xor (i32.rotr (local.get $x) (i32.const 7)) (i32.rotr (local.get $x) (i32.const 18)))
              (i32.shr_u (local.get $x) (i32.const 3)))
            (i32.xor
              (i32.xor (i32.rotr (local.get $y) (i32.const 17)) (i32.rotr (local.get $y) (i32.const 19)))
              (i32.shr_u (local.get $y) (i32.const 10))))))
      (local.set $i (i32.add (local.get $i) (i32.const 4)))
      (br_if $schedule (i32.lt_u (local.get $i) (i32.const 256))))
    (local.set $a (i32.load (local.get $s)))
    (local.set $b2 (i32.load offset=4 (local.get $s)))
    (local.set $c (i32.load offset=8 (local.get $s)))
    (local.set $d (i32.load offset=12 (local.get $s)))
    (local.set $e (i32.load offset=16 (local.get $s)))
    (local.set $f (i32.load offset=20 (local.get $s)))
    (local.set $g (i32.load offset=24 (local.get $s)))
    (local.set $h (i32.load offset=28 (local.get $s)))
    (local.set $i (i32.const 0))
    (loop $rounds
      (local.set $at (i32.add (local.get $b) (local.get $i)))
      (local.set $t1
        (i32.add
          (i32.add (local.get $h) (i32.add (i32.load (local.get $at)) (i32.load offset=420 (local.get $at))))
          (i32.add
            (i32.xor
              (i32.xor (i32.rotr (local.get $e) (i32.const 6)) (i32.rotr (local.get $e) (i32.const 11)))
              (i32.rotr (local.get $e) (i32.const 25)))
            (i32.xor (local.get $g) (i32.and (local.get $e) (i32.xor (local.get $f) (local.get $g)))))))
      (local.set $t2
        (i32.add
          (i32.xor
            (i32.xor (i32.rotr (local.get $a) (i32.const 2)) (i32.rotr (local.get $a) (i32.const 13)))
            (i32.rotr (local.get $a) (i32.const 22)))
          (i32.or
            (i32.and (local.get $a) (i32.or (local.get $b2) (local.get $c)))
            (i32.and (local.get $b2) (local.get $c)))))
      (local.set $h (local.get $g))
      (local.set $g (local.get $f))
      (local.set $f (local.get $e))
      (local.set $e (i32.add (local.get $d) (local.get $t1)))
      (local.set $d (local.get $c))
      (local.set $c (local.get $b2))
      (local.set $b2 (local.get $a))
      (local.set $a (i32.add (local.get $t1) (local.get $t2)))
      (local.set $i (i32.add (local.get $i) (i32.const 4)))
      (br_if $rounds (i32.lt_u (local.get $i) (i32.const 256))))
    (i32.store (local.get $out) (i32.add (local.get $a) (i32.load (local.get $s))))
    (i32.store offset=4 (local.get $out) (i32.add (local.get $b2) (i32.load offset=4 (local.get $s))))
    (i32.store offset=8 (local.get $out) (i32.add (local.get $c) (i32.load offset=8 (local.get $s))))
    (i32.store offset=12 (local.get $out) (i32.add (local.get $d) (i32.load offset=12 (local.get $s))))
    (i32.store offset=16 (local.get $out) (i32.add (local.get $e) (i32.load offset=16 (local.get $s))))
    (i32.store offset=20 (local.get $out) (i32.add (local.get $f) (i32.load offset=20 (local.get $s))))
    (i32.store offset=24 (local.get $out) (i32.add (local.get $g) (i32.load offset=24 (local.get $s))))
    (i32.store offset=28 (local.get $out) (i32.add (local.get $h) (i32.load offset=28 (local.get $s)))))

  ;; PBKDF2 with HMAC-SHA-512 (RFC 8018, 5.2), all iterations of one block after the first. At $b, in words of 64 bits:
  ;; K[80], the initial hash [8], the key padded to a block [16], U [8], T [8], the iterations left [1], and room for the
  ;; schedule [80], the states of the inner and the outer hash after the key [8, 8], a block [16].
  (func $pbkdf2_sha512 (param $b i32)
    (local $i i32) (local $block i32) (local $left i32)
    (local.set $block (i32.add (local.get $b) (i32.const 1736)))
    (call $key_sha512 (local.get $b) (i64.const 0x3636363636363636) (i32.const 1608))
    (call $key_sha512 (local.get $b) (i64.const 0x5c5c5c5c5c5c5c5c) (i32.const 1672))
    ;; A digest as the only block after the key: 8 words, a bit, and the length of both blocks in bits.
    (memory.copy (local.get $block) (i32.add (local.get $b) (i32.const 832)) (i32.const 64))
    (memory.fill (i32.add (local.get $block) (i32.const 64)) (i32.const 0) (i32.const 64))
    (i64.store offset=64 (local.get $block) (i64.const 0x8000000000000000))
    (i64.store offset=120 (local.get $block) (i64.const 1536))
    (local.set $left (i32.load offset=960 (local.get $b)))
    (loop $iterations
      (if (local.get $left)
        (then
          (call $sha512 (local.get $b) (i32.add (local.get $b) (i32.const 1608)) (local.get $block) (local.get $block))
          (call $sha512 (local.get $b) (i32.add (local.get $b) (i32.const 1672)) (local.get $block) (local.get $block))
          (local.set $i (i32.const 0))
          (loop $words
            (i64.store offset=896 (i32.add (local.get $b) (local.get $i))
              (i64.xor
                (i64.load offset=896 (i32.add (local.get $b) (local.get $i)))
                (i64.load (i32.add (local.get $block) (local.get $i)))))
            (local.set $i (i32.add (local.get $i) (i32.const 8)))
            (br_if $words (i32.lt_u (local.get $i) (i32.const 64))))
          (local.set $left (i32.sub (local.get $left) (i32.const 1)))
          (br $iterations)))))

  ;; The state after the key, each of whose words is changed by $pad, to offset $to.
  (func $key_sha512 (param $b i32) (param $pad i64) (param $to i32)
    (local $i i32)
    (loop $words
      (i64.store offset=1736 (i32.add (local.get $b) (local.get $i))
        (i64.xor (i64.load offset=704 (i32.add (local.get $b) (local.get $i))) (local.get $pad)))
      (local.set $i (i32.add (local.get $i) (i32.const 8)))
      (br_if $words (i32.lt_u (local.get $i) (i32.const 128))))
    (call $sha512
      (local.get $b)
      (i32.add (local.get $b) (i32.const 640))
      (i32.add (local.get $b) (i32.const 1736))
      (i32.add (local.get $b) (local.get $to))))

  ;; One block of SHA-512 (FIPS 180-4, 6.4): the state at $s and the block at $m give the state at $out.
  (func $sha512 (param $b i32) (param $s i32) (param $m i32) (param $out i32)
    (local $i i32) (local $at i32) (local $x i64) (local $y i64)
    (local $t1 i64) (local $t2 i64)
    (local $a i64) (local $b2 i64) (local $c i64) (local $d i64)
    (local $e i64) (local $f i64) (local $g i64) (local $h i64)
    (memory.copy (i32.add (local.get $b) (i32.const 968)) (local.get $m) (i32.const 128))
    (local.set $i (i32.const 128))
    (loop $schedule
      (local.set $at (i32.add (i32.add (local.get $b) (i32.const 840)) (local.get $i)))
      (local.set $x (i64.load offset=8 (local.get $at)))
      (local.set $y (i64.load offset=112 (local.get $at)))
      (i64.store offset=128 (local.get $at)
        (i64.add
          (i64.add (i64.load (local.get $at)) (i64.load offset=72 (local.get $at)))
          (i64.add
            (i64.xor
              (i64.xor (i64.rotr (local.get $x) (i64.const 1)) (i64.rotr (local.get $x) (i64.const 8)))
              (i64.shr_u (local.get $x) (i64.const 7)))
            (i64.xor
              (i64.xor (i64.rotr (local.get $y) (i64.const 19)) (i64.rotr (local.get $y) (i64.const 61)))
              (i64.shr_u (local.get $y) (i64.const 6))))))
      (local.set $i (i32.add (local.get $i) (i32.const 8)))
      (br_if $schedule (i32.lt_u (local.get $i) (i32.const 640))))
    (local.set $a (i64.load (local.get $s)))
    (local.set $b2 (i64.load offset=8 (local.get $s)))
    (local.set $c (i64.load offset=16 (local.get $s)))
    (local.set $d (i64.load offset=24 (local.get $s)))
    (local.set $e (i64.load offset=32 (local.get $s)))
    (local.set $f (i64.load offset=40 (local.get $s)))
    (local.set $g (i64.load offset=48 (local.get $s)))
    (local.set $h (i64.load offset=56 (local.get $s)))
    (local.set $i (i32.const 0))
    (loop $rounds
      (local.set $at (i32.add (local.get $b) (local.get $i)))
      (local.set $t1
        (i64.add
          (i64.add (local.get $h) (i64.add (i64.load (local.get $at)) (i64.load offset=968 (local.get $at))))
          (i64.add
            (i64.xor
              (i64.xor (i64.rotr (local.get $e) (i64.const 14)) (i64.rotr (local.get $e) (i64.const 18)))
              (i64.rotr (local.get $e) (i64.const 41)))
            (i64.xor (local.get $g) (i64.and (local.get $e) (i64.xor (local.get $f) (local.get $g)))))))
      (local.set $t2
        (i64.add
          (i64.xor
            (i64.xor (i64.rotr (local.get $a) (i64.const 28)) (i64.rotr (local.get $a) (i64.const 34)))
            (i64.rotr (local.get $a) (i64.const 39)))
          (i64.or
            (i64.and (local.get $a) (i64.or (local.get $b2) (local.get $c)))
            (i64.and (local.get $b2) (local.get $c)))))
      (local.set $h (local.get $g))
      (local.set $g (local.get $f))
      (local.set $f (local.get $e))
      (local.set $e (i64.add (local.get $d) (local.get $t1)))
      (local.set $d (local.get $c))
      (local.set $c (local.get $b2))
      (local.set $b2 (local.get $a))
      (local.set $a (i64.add (local.get $t1) (local.get $t2)))
      (local.set $i (i32.add (local.get $i) (i32.const 8)))
      (br_if $rounds (i32.lt_u (local.get $i) (i32.const 640))))
    (i64.store (local.get $out) (i64.add (local.get $a) (i64.load (local.get $s))))
    (i64.store offset=8 (local.get $out) (i64.add (local.get $b2) (i64.load offset=8 (local.get $s))))
    (i64.store offset=16 (local.get $out) (i64.add (local.get $c) (i64.load offset=16 (local.get $s))))
    (i64.store offset=24 (local.get $out) (i64.add (local.get $d) (i64.load offset=24 (local.get $s))))
    (i64.store offset=32 (local.get $out) (i64.add (local.get $e) (i64.load offset=32 (local.get $s))))
    (i64.store offset=40 (local.get $out) (i64.add (local.get $f) (i64.load offset=40 (local.get $s))))
    (i64.store offset=48 (local.get $out) (i64.add (local.get $g) (i64.load offset=48 (local.get $s))))
    (i64.store offset=56 (local.get $out) (i64.add (local.get $h) (i64.load offset=56 (local.get $s)))))

  ;; scryptROMix (RFC 7914, 5), in place. At $b: N and r, 32 bits each, 8 bytes of nothing; from 16 the block of 128 r bytes;
  ;; room for one more block, and for N blocks. The words of each 64 bytes are in the order of diagonals, in which Salsa20
  ;; works on four at once: word i is the standard's word (5 i mod 16).
  (func $romix (param $b i32)
    (local $bytes i32) (local $x i32) (local $y i32) (local $v i32) (local $i i32) (local $n i32) (local $r i32)
    (local $k i32) (local $from i32)
    (local.set $n (i32.load (local.get $b)))
    (local.set $r (i32.load offset=4 (local.get $b)))
    (local.set $bytes (i32.shl (local.get $r) (i32.const 7)))
    (local.set $x (i32.add (local.get $b) (i32.const 16)))
    (local.set $y (i32.add (local.get $x) (local.get $bytes)))
    (local.set $v (i32.add (local.get $y) (local.get $bytes)))
    (local.set $from (local.get $v))
    (loop $fill
      (memory.copy (local.get $from) (local.get $x) (local.get $bytes))
      (call $block_mix (local.get $from) (local.get $x) (local.get $r))
      (local.set $from (i32.add (local.get $from) (local.get $bytes)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $fill (i32.lt_u (local.get $i) (local.get $n))))
    (local.set $i (i32.const 0))
    (loop $mix
      ;; Integerify: the first word of the last 64 bytes.
      (local.set $from
        (i32.add (local.get $v)
          (i32.mul (local.get $bytes)
            (i32.and
              (i32.load (i32.sub (local.get $y) (i32.const 64)))
              (i32.sub (local.get $n) (i32.const 1))))))
      (local.set $k (i32.const 0))
      (loop $xor
        (v128.store (i32.add (local.get $y) (local.get $k))
          (v128.xor
            (v128.load (i32.add (local.get $x) (local.get $k)))
            (v128.load (i32.add (local.get $from) (local.get $k)))))
        (local.set $k (i32.add (local.get $k) (i32.const 16)))
        (br_if $xor (i32.lt_u (local.get $k) (local.get $bytes))))
      (call $block_mix (local.get $y) (local.get $x) (local.get $r))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $mix (i32.lt_u (local.get $i) (local.get $n)))))

  ;; scryptBlockMix (RFC 7914, 4) with Salsa20/8: 2 r times 64 bytes at $in give as many at $out.
  (func $block_mix (param $in i32) (param $out i32) (param $r i32)
    (local $i i32) (local $at i32) (local $rounds i32) (local $sum v128)
    (local $x0 v128) (local $x1 v128) (local $x2 v128) (local $x3 v128)
    (local $y0 v128) (local $y1 v128) (local $y2 v128) (local $y3 v128)
    (local.set $at (i32.sub (i32.add (local.get $in) (i32.shl (local.get $r) (i32.const 7))) (i32.const 64)))
    (local.set $x0 (v128.load (local.get $at)))
    (local.set $x1 (v128.load offset=16 (local.get $at)))
    (local.set $x2 (v128.load offset=32 (local.get $at)))
    (local.set $x3 (v128.load offset=48 (local.get $at)))
    (loop $parts
      (local.set $at (i32.add (local.get $in) (i32.shl (local.get $i) (i32.const 6))))
      (local.set $x0 (v128.xor (local.get $x0) (v128.load (local.get $at))))
      (local.set $x1 (v128.xor (local.get $x1) (v128.load offset=16 (local.get $at))))
      (local.set $x2 (v128.xor (local.get $x2) (v128.load offset=32 (local.get $at))))
      (local.set $x3 (v128.xor (local.get $x3) (v128.load offset=48 (local.get $at))))
      (local.set $y0 (local.get $x0))
      (local.set $y1 (local.get $x1))
      (local.set $y2 (local.get $x2))
      (local.set $y3 (local.get $x3))
      (local.set $rounds (i32.const 4))
      (loop $double_round
        ;; Columns, then rows, turned so that both are lanes.
        (local.set $sum (i32x4.add (local.get $x0) (local.get $x3)))
        (local.set $x1
          (v128.xor
            (v128.xor (local.get $x1) (i32x4.shl (local.get $sum) (i32.const 7)))
            (i32x4.shr_u (local.get $sum) (i32.const 25))))
        (local.set $sum (i32x4.add (local.get $x1) (local.get $x0)))
        (local.set $x2
          (v128.xor
            (v128.xor (local.get $x2) (i32x4.shl (local.get $sum) (i32.const 9)))
            (i32x4.shr_u (local.get $sum) (i32.const 23))))
        (local.set $sum (i32x4.add (local.get $x2) (local.get $x1)))
        (local.set $x3
          (v128.xor
            (v128.xor (local.get $x3) (i32x4.shl (local.get $sum) (i32.const 13)))
            (i32x4.shr_u (local.get $sum) (i32.const 19))))
        (local.set $sum (i32x4.add (local.get $x3) (local.get $x2)))
        (local.set $x0
          (v128.xor
            (v128.xor (local.get $x0) (i32x4.shl (local.get $sum) (i32.const 18)))
            (i32x4.shr_u (local.get $sum) (i32.const 14))))
        (local.set $x1 (i8x16.shuffle 12 13 14 15 0 1 2 3 4 5 6 7 8 9 10 11 (local.get $x1) (local.get $x1)))
        (local.set $x2 (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get $x2) (local.get $x2)))
        (local.set $x3 (i8x16.shuffle 4 5 6 7 8 9 10 11 12 13 14 15 0 1 2 3 (local.get $x3) (local.get $x3)))
        (local.set $sum (i32x4.add (local.get $x0) (local.get $x1)))
        (local.set $x3
          (v128.xor
            (v128.xor (local.get $x3) (i32x4.shl (local.get $sum) (i32.const 7)))
            (i32x4.shr_u (local.get $sum) (i32.const 25))))
        (local.set $sum (i32x4.add (local.get $x3) (local.get $x0)))
        (local.set $x2
          (v128.xor
            (v128.xor (local.get $x2) (i32x4.shl (local.get $sum) (i32.const 9)))
            (i32x4.shr_u (local.get $sum) (i32.const 23))))
        (local.set $sum (i32x4.add (local.get $x2) (local.get $x3)))
        (local.set $x1
          (v128.xor
            (v128.xor (local.get $x1) (i32x4.shl (local.get $sum) (i32.const 13)))
            (i32x4.shr_u (local.get $sum) (i32.const 19))))
        (local.set $sum (i32x4.add (local.get $x1) (local.get $x2)))
        (local.set $x0
          (v128.xor
            (v128.xor (local.get $x0) (i32x4.shl (local.get $sum) (i32.const 18)))
            (i32x4.shr_u (local.get $sum) (i32.const 14))))
        (local.set $x1 (i8x16.shuffle 4 5 6 7 8 9 10 11 12 13 14 15 0 1 2 3 (local.get $x1) (local.get $x1)))
        (local.set $x2 (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7 (local.get $x2) (local.get $x2)))
        (local.set $x3 (i8x16.shuffle 12 13 14 15 0 1 2 3 4 5 6 7 8 9 10 11 (local.get $x3) (local.get $x3)))
        (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
        (br_if $double_round (local.get $rounds)))
      (local.set $x0 (i32x4.add (local.get $x0) (local.get $y0)))
      (local.set $x1 (i32x4.add (local.get $x1) (local.get $y1)))
      (local.set $x2 (i32x4.add (local.get $x2) (local.get $y2)))
      (local.set $x3 (i32x4.add (local.get $x3) (local.get $y3)))
      ;; Parts with even numbers first, then the others.
      (local.set $at
        (i32.add (local.get $out)
          (i32.shl
            (i32.add
              (i32.shr_u (local.get $i) (i32.const 1))
              (i32.mul (i32.and (local.get $i) (i32.const 1)) (local.get $r)))
            (i32.const 6))))
      (v128.store (local.get $at) (local.get $x0))
      (v128.store offset=16 (local.get $at) (local.get $x1))
      (v128.store offset=32 (local.get $at) (local.get $x2))
      (v128.store offset=48 (local.get $at) (local.get $x3))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $parts (i32.lt_u (local.get $i) (i32.shl (local.get $r) (i32.const 1))))))
)
