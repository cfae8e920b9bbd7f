//! What stands for an exchange in the bindings.

/// The exchange that the hook under way is called for; there is one at most, and it is in the data of the instance.
#[expect(unreachable_pub, reason = "the bindings name it in public")]
pub struct Current;
