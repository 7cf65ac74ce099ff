// The work of `/cpu` in JavaScript: see `work.rs` of the bench guest.
export function work(rounds) {
  let state = 2463534242 | 0;
  for (; rounds > 0; rounds--) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
  }
  return state >>> 0;
}
