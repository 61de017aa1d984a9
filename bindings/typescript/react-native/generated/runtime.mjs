// What the generated code needs of its runtime library, and no more: that library makes a converter for every type of
// UniFFI, which would be a large part of the bundle of every app. The names are those of the library; `bundle.mjs` says
// what stands in the generated code instead.
import nativeModule from "./throughline_attach-ffi.ts";

export const UniffiInternalError = (...details) => Error(details.join(" "));

/** Texts cross as UTF-8, which the native side converts. */
export const uniffiCreateFfiConverterString = () => ({
  lift: textOf,
  lower: (text) => nativeModule().ubrn_uniffi_internal_fn_func_ffi__string_to_buffer(text),
});

const textOf = (bytes) => nativeModule().ubrn_uniffi_internal_fn_func_ffi__string_from_buffer(bytes);

/** Calls functions of the library. None of them has errors of its own: every failure is a panic. */
export class UniffiRustCaller {
  rustCall(call) {
    const status = { code: 0 };
    const answer = call(status);
    if (status.code) throw UniffiInternalError("RustPanic", status.errorBuf?.byteLength ? textOf(status.errorBuf) : "");
    return answer;
  }
}

/** `recordTap` alone uses these, which no bundle has. */
export const [FfiConverterBool, FfiConverterFloat64, FfiConverterMap] = [];
