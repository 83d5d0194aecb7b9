//! Raw arguments become Rust values here and nowhere else. What is NULL or misaligned is refused
//! with a sentence that names the argument; the rest is the caller's promise (see the crate's
//! *Safety*).

use mailboat::{Error, ErrorKind, Result};
use std::borrow::Cow;
use std::ffi::{CStr, c_char, c_void};

pub(crate) fn invalid(sentence: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, sentence)
}

#[inline]
fn usable<T>(pointer: *const T, name: &str) -> Result<()> {
    if pointer.is_null() || !pointer.is_aligned() {
        return Err(unusable(pointer.cast(), align_of::<T>(), name));
    }
    Ok(())
}

#[cold]
#[inline(never)]
fn unusable(pointer: *const c_void, alignment: usize, name: &str) -> Error {
    if pointer.is_null() {
        return invalid(format!("{name} is NULL"));
    }
    invalid(format!("{name} is misaligned: its address {pointer:p} is no multiple of {alignment}"))
}

/// A handle to look at.
///
/// # Safety
/// `pointer` is NULL, or leads to a `T` that stays and is not changed while the reference lives.
pub(crate) unsafe fn handle<'a, T>(pointer: *const T, name: &str) -> Result<&'a T> {
    usable(pointer, name)?;
    // SAFETY: not NULL and aligned by the check; the rest is the caller's promise.
    Ok(unsafe { &*pointer })
}

/// A handle of which this call is the only user.
///
/// # Safety
/// `pointer` is NULL, or leads to a `T` that stays and is used by nobody else while the reference
/// lives.
pub(crate) unsafe fn handle_mut<'a, T>(pointer: *mut T, name: &str) -> Result<&'a mut T> {
    usable(pointer, name)?;
    // SAFETY: not NULL and aligned by the check; the rest is the caller's promise.
    Ok(unsafe { &mut *pointer })
}

/// Gives a new handle to C.
pub(crate) fn give<T>(handle: T) -> *mut T {
    Box::into_raw(Box::new(handle))
}

/// Takes a handle back from C, for good.
///
/// # Safety
/// `pointer` is NULL, or came from [`give`] and is not used any more.
pub(crate) unsafe fn take_back<T>(pointer: *mut T, name: &str) -> Result<T> {
    usable(pointer, name)?;
    // SAFETY: not NULL by the check; that it came from `give` is the caller's promise.
    Ok(*unsafe { Box::from_raw(pointer) })
}

/// A place for an output, checked before the work and written after it.
pub(crate) struct Out<T>(*mut T);

/// A place for an output that the caller must give.
pub(crate) fn out<T>(pointer: *mut T, name: &str) -> Result<Out<T>> {
    usable(pointer, name)?;
    Ok(Out(pointer))
}

/// A place for an output that the caller may leave out by giving NULL.
pub(crate) fn out_or_null<T>(pointer: *mut T, name: &str) -> Result<Out<T>> {
    if !pointer.is_null() {
        usable(pointer, name)?;
    }
    Ok(Out(pointer))
}

impl<T> Out<T> {
    /// Writes the output, if there is a place for it.
    ///
    /// # Safety
    /// The pointer that this was made from is NULL, or leads to a place for a `T`.
    pub(crate) unsafe fn set(self, value: T) {
        if !self.0.is_null() {
            // SAFETY: aligned since `out`; that it leads to a place is the caller's promise.
            unsafe { self.0.write(value) }
        }
    }
}

/// A name. Bytes that are not UTF-8 become U+FFFD, which no name may contain: the core's refusal
/// can then show the name.
///
/// # Safety
/// `pointer` is NULL, or leads to bytes that end in NUL and stay as they are meanwhile.
pub(crate) unsafe fn name<'a>(pointer: *const c_char, name: &str) -> Result<Cow<'a, str>> {
    usable(pointer, name)?;
    // SAFETY: not NULL by the check; the rest is the caller's promise.
    Ok(unsafe { CStr::from_ptr(pointer) }.to_string_lossy())
}

/// A path or name that must come through unchanged; NULL is none.
///
/// # Safety
/// As for [`name`].
pub(crate) unsafe fn text_or_null<'a>(
    pointer: *const c_char,
    name: &str,
) -> Result<Option<&'a str>> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL by the check; the rest is the caller's promise.
    let bytes = unsafe { CStr::from_ptr(pointer) };
    bytes.to_str().map(Some).map_err(|_| invalid(format!("{name} is not UTF-8: {bytes:?}")))
}

/// `count` items to read; the pointer may be NULL when there are none.
///
/// # Safety
/// `pointer` is NULL, or leads to `count` items that stay as they are meanwhile.
pub(crate) unsafe fn items<'a, T>(pointer: *const T, count: usize, name: &str) -> Result<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    usable(pointer, name)?;
    within_memory::<T>(count, name)?;
    // SAFETY: not NULL, aligned and not larger than the address space by the checks; the rest is
    // the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(pointer, count) })
}

/// `count` items to write; the pointer may be NULL when there are none.
///
/// # Safety
/// `pointer` is NULL, or leads to `count` items that nobody else uses meanwhile.
pub(crate) unsafe fn items_mut<'a, T>(
    pointer: *mut T,
    count: usize,
    name: &str,
) -> Result<&'a mut [T]> {
    if count == 0 {
        return Ok(&mut []);
    }
    usable(pointer, name)?;
    within_memory::<T>(count, name)?;
    // SAFETY: not NULL, aligned and not larger than the address space by the checks; the rest is
    // the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts_mut(pointer, count) })
}

fn within_memory<T>(count: usize, name: &str) -> Result<()> {
    match count.checked_mul(size_of::<T>()) {
        Some(bytes) if isize::try_from(bytes).is_ok() => Ok(()),
        _ => Err(invalid(format!(
            "{name}: {count} items of {} bytes are more than a process can address",
            size_of::<T>()
        ))),
    }
}

/// Bytes to read.
///
/// # Safety
/// As for [`items`].
pub(crate) unsafe fn bytes<'a>(
    pointer: *const c_void,
    length: usize,
    name: &str,
) -> Result<&'a [u8]> {
    // SAFETY: the caller's promise.
    unsafe { items(pointer.cast(), length, name) }
}

/// Bytes to write.
///
/// # Safety
/// As for [`items_mut`].
pub(crate) unsafe fn bytes_mut<'a>(
    pointer: *mut c_void,
    length: usize,
    name: &str,
) -> Result<&'a mut [u8]> {
    // SAFETY: the caller's promise.
    unsafe { items_mut(pointer.cast(), length, name) }
}

/// Refuses bits that this version does not know.
pub(crate) fn flags(given: u32, known: u32, name: &str) -> Result<()> {
    match given & !known {
        0 => Ok(()),
        unknown => Err(invalid(format!("{name} has unknown bits: {unknown:#x}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr::{null, null_mut, without_provenance, without_provenance_mut};

    fn refused<T>(result: Result<T>, words: &[&str]) {
        let error = result.err().expect("should have been refused");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        for word in words {
            assert!(error.to_string().contains(word), "{error}: no {word:?}");
        }
    }

    #[test]
    fn null_and_misaligned_pointers_are_named() {
        // SAFETY: none of these addresses is read, that is what the test is about.
        unsafe {
            refused(handle(null::<u64>(), "port"), &["port is NULL"]);
            refused(handle(without_provenance::<u64>(9), "port"), &["port is misaligned", "8"]);
            refused(handle_mut(null_mut::<u64>(), "loan"), &["loan is NULL"]);
            refused(take_back(without_provenance_mut::<u64>(12), "loan"), &["loan is misaligned"]);
            refused(name(null(), "name"), &["name is NULL"]);
            refused(items(null::<u64>(), 1, "messages"), &["messages is NULL"]);
            refused(items(without_provenance::<u64>(4), 1, "messages"), &["misaligned"]);
            refused(bytes_mut(null_mut(), 1, "buffer"), &["buffer is NULL"]);
        }
        refused(out(null_mut::<u64>(), "length"), &["length is NULL"]);
        refused(out(without_provenance_mut::<u64>(2), "length"), &["length is misaligned"]);
        refused(out_or_null(without_provenance_mut::<u64>(2), "id"), &["id is misaligned"]);
    }

    #[test]
    fn no_items_need_no_pointer() {
        // SAFETY: nothing is read where the count is 0.
        unsafe {
            assert!(items(null::<u64>(), 0, "x").unwrap().is_empty());
            assert!(bytes(without_provenance(3), 0, "x").unwrap().is_empty());
            assert!(items_mut(null_mut::<u64>(), 0, "x").unwrap().is_empty());
        }
    }

    #[test]
    fn counts_beyond_the_address_space_are_refused() {
        let word = 0_u64;
        // SAFETY: the count is refused before anything is read.
        unsafe {
            refused(items(&word, usize::MAX, "headers"), &["headers"]);
            refused(items(&word, usize::MAX / 8, "headers"), &["headers"]);
            refused(bytes((&raw const word).cast(), usize::MAX, "data"), &["data"]);
        }
    }

    #[test]
    fn texts_that_are_not_utf8_are_told() {
        // SAFETY: both are texts that end in NUL.
        unsafe {
            assert_eq!(name(c"a\xff".as_ptr(), "name").unwrap(), "a\u{fffd}");
            refused(text_or_null(c"/a\xff".as_ptr(), "location"), &["location", "UTF-8"]);
            assert_eq!(text_or_null(null(), "location").unwrap(), None);
        }
    }

    #[test]
    fn unknown_bits_are_shown() {
        assert!(flags(3, 3, "flags").is_ok());
        refused(flags(7, 3, "flags"), &["flags", "0x4"]);
    }
}
