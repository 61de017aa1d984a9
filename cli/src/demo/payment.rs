//! The fault of the demo's app: it writes to a receipt that nobody has made. The functions are not
//! inlined, so that the crash has a stack to show.

use std::hint::black_box;

/// What the shop gives for a payment.
#[repr(C)]
struct Receipt {
    number: u64,
    amount: u64,
}

/// Pays for the cart. The process does not survive it.
#[inline(never)]
pub(super) fn pay(amount: u64) {
    charge_card(black_box(amount));
    black_box(());
}

#[inline(never)]
fn charge_card(amount: u64) {
    // A lookup that finds nothing, and whose answer nobody looks at.
    write_to_missing_receipt(black_box(std::ptr::null_mut()), amount);
    black_box(());
}

#[inline(never)]
fn write_to_missing_receipt(receipt: *mut Receipt, amount: u64) {
    let place = receipt.wrapping_byte_add(std::mem::offset_of!(Receipt, amount)).cast::<u64>();
    debug_assert_eq!(std::mem::offset_of!(Receipt, number), 0);
    #[expect(unsafe_code, reason = "the demo shows a crash of native code, which safe code cannot have")]
    // SAFETY: none. No memory is there, so that the process dies here.
    unsafe {
        *place = amount;
    }
}
