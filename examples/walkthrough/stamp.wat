;; A filter by hand: it stamps every response with `x-stamp: first`. Where $broken is 1, it traps at a request with `x-crash`.
;;
;; No author writes filters like this; it is here so that `cairn demo` needs no compiler. See filters/sdk for how to write one.
(module
  (import "cairn:filter/exchanges@0.1.0" "[resource-drop]exchange" (func $let-go (param i32)))
  (memory (export "memory") 1)
  (global $broken i32 (i32.const 0))
  ;; What is handed over comes after what is answered, and goes when the hook has answered.
  (global $free (mut i32) (i32.const 1024))

  ;; 0: x-crash   8: x-stamp   16: first
  (data (i32.const 0) "x-crash\00x-stamp\00first ")

  ;; 32: ok(subscriptions): request-head named([x-crash]), response-head named([])
  (data (i32.const 32) "\00\00\00\00")
  (data (i32.const 36) "\02\00\00\00\60\00\00\00\01\00\00\00" "\00\00\00\00\00\00\00\00" "\00\00\00\00")
  (data (i32.const 60) "\02\00\00\00\60\00\00\00\00\00\00\00" "\00\00\00\00\00\00\00\00" "\00\00\00\00")
  (data (i32.const 84) "\00\00\00\00\00\00\00\00")
  ;; 96: the one name that is subscribed to
  (data (i32.const 96) "\00\00\00\00\07\00\00\00")

  ;; 128: next([])
  (data (i32.const 128) "\00\00\00\00\60\00\00\00\00\00\00\00")
  ;; 192: next([set(x-stamp, first)]), its one edit at 208
  (data (i32.const 192) "\00\00\00\00\d0\00\00\00\01\00\00\00")
  (data (i32.const 208) "\00\00\00\00\08\00\00\00\07\00\00\00\10\00\00\00\05\00\00\00")

  (func (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
    (global.set $free
      (i32.and
        (i32.add (global.get $free) (i32.sub (local.get $align) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get $align))))
    (global.get $free)
    (global.set $free (i32.add (global.get $free) (local.get $new)))
    (if (i32.gt_u (global.get $free) (i32.mul (memory.size) (i32.const 65536)))
      (then
        (drop
          (memory.grow
            (i32.add (i32.div_u (local.get $new) (i32.const 65536)) (i32.const 1)))))))

  (func $forget (global.set $free (i32.const 1024)))

  (func (export "cairn:filter/hooks@0.1.0#configure")
    (param $config i32) (param $config-len i32) (param $name i32) (param $name-len i32) (result i32)
    (i32.const 32))
  (func (export "cabi_post_cairn:filter/hooks@0.1.0#configure") (param i32) (call $forget))

  (func (export "cairn:filter/hooks@0.1.0#on-request-head")
    (param $exchange i32) (param $ends i32) (param $ends-len i32) (param $bytes i32) (param $bytes-len i32)
    (param $end i32) (result i32)
    (call $let-go (local.get $exchange))
    (if (i32.and (global.get $broken) (i32.ne (local.get $ends-len) (i32.const 0))) (then unreachable))
    (i32.const 128))
  (func (export "cabi_post_cairn:filter/hooks@0.1.0#on-request-head") (param i32) (call $forget))

  (func (export "cairn:filter/hooks@0.1.0#on-response-head")
    (param $exchange i32) (param $ends i32) (param $ends-len i32) (param $bytes i32) (param $bytes-len i32)
    (param $end i32) (result i32)
    (call $let-go (local.get $exchange))
    (i32.const 192))
  (func (export "cabi_post_cairn:filter/hooks@0.1.0#on-response-head") (param i32) (call $forget))

  ;; What is not subscribed to is not called.
  (func (export "cairn:filter/hooks@0.1.0#on-request-body")
    (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "cairn:filter/hooks@0.1.0#on-request-trailers")
    (param i32 i32 i32 i32 i32) (result i32) unreachable)
  (func (export "cairn:filter/hooks@0.1.0#on-response-body")
    (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "cairn:filter/hooks@0.1.0#on-response-trailers")
    (param i32 i32 i32 i32 i32) (result i32) unreachable)
  (func (export "cairn:filter/hooks@0.1.0#on-done") (param i32) unreachable))
