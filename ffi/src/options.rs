//! Structs that begin with their size, so that a later version can add fields at their end while
//! programs and libraries of different age go on working together.

use crate::check::invalid;
use mailboat::Result;

/// The longest struct that is looked through: anything larger is not a size but garbage.
const LONGEST: usize = 4096;

/// A struct of the C interface whose first field is `size: usize`.
///
/// # Safety
/// The type is `repr(C)`, begins with a `usize`, and every bit pattern is a value of it.
pub(crate) unsafe trait Sized_: Copy {
    /// The size of the first version of the struct that was released.
    const FIRST: usize;
    /// Its name in C.
    const NAME: &'static str;
}

/// Reads options: fields that the caller's version does not have are 0; fields that this version
/// does not know must be 0. NULL is none.
///
/// # Safety
/// `pointer` is NULL, or leads to as many bytes as its first field says.
pub(crate) unsafe fn read<T: Sized_>(pointer: *const T) -> Result<Option<T>> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL; the rest is the caller's promise.
    let size = unsafe { size_of_caller(pointer) }?;
    // SAFETY: `T` may have any bit pattern.
    let mut value: T = unsafe { std::mem::zeroed() };
    let known = size.min(size_of::<T>());
    // SAFETY: both are at least `known` bytes long; `value` is this function's own.
    unsafe {
        std::ptr::copy_nonoverlapping(pointer.cast::<u8>(), (&raw mut value).cast::<u8>(), known);
    }
    // SAFETY: the caller's struct is `size` bytes long, and `known` is not more.
    let tail = unsafe { std::slice::from_raw_parts(pointer.cast::<u8>().add(known), size - known) };
    match tail.iter().position(|&byte| byte != 0) {
        None => Ok(Some(value)),
        Some(at) => Err(invalid(format!(
            "{} has a field at byte {} that this version ({}) does not know",
            T::NAME,
            known + at,
            env!("CARGO_PKG_VERSION")
        ))),
    }
}

/// A checked place for a struct that the library fills.
pub(crate) struct Place<T> {
    pointer: *mut T,
    size: usize,
}

/// Checks a place for an output whose first field says how large it is.
///
/// # Safety
/// `pointer` is NULL, or leads to as many bytes as its first field says.
pub(crate) unsafe fn place<T: Sized_>(pointer: *mut T, name: &str) -> Result<Place<T>> {
    if pointer.is_null() {
        return Err(invalid(format!("{name} is NULL")));
    }
    // SAFETY: not NULL; the rest is the caller's promise.
    let size = unsafe { size_of_caller(pointer) }?;
    Ok(Place { pointer, size })
}

impl<T: Sized_> Place<T> {
    /// Writes as much of `value` as the caller's version has; what that version has beyond this
    /// one becomes 0. The size stays the caller's.
    ///
    /// # Safety
    /// As for [`place`], still.
    pub(crate) unsafe fn set(self, value: T) {
        let known = self.size.min(size_of::<T>());
        let to = self.pointer.cast::<u8>();
        // SAFETY: both are at least `known` bytes long, the caller's `size`; the size itself is
        // written back as it was.
        unsafe {
            std::ptr::copy_nonoverlapping((&raw const value).cast::<u8>(), to, known);
            std::ptr::write_bytes(to.add(known), 0, self.size - known);
            self.pointer.cast::<usize>().write(self.size);
        }
    }
}

/// # Safety
/// `pointer` leads to a readable `usize` if it is aligned.
unsafe fn size_of_caller<T: Sized_>(pointer: *const T) -> Result<usize> {
    if !pointer.is_aligned() {
        return Err(invalid(format!(
            "{} is misaligned: its address {pointer:p} is no multiple of {}",
            T::NAME,
            align_of::<T>()
        )));
    }
    // SAFETY: aligned by the check; the rest is the caller's promise.
    let size = unsafe { pointer.cast::<usize>().read() };
    if (T::FIRST..=LONGEST).contains(&size) {
        return Ok(size);
    }
    Err(invalid(format!(
        "{}.size is {size}; it must be sizeof({}), at least {}",
        T::NAME,
        T::NAME,
        T::FIRST
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Old {
        size: usize,
        a: u64,
    }

    /// The same struct a version later.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct New {
        size: usize,
        a: u64,
        b: u64,
    }

    // SAFETY: `repr(C)`, a `usize` first, plain numbers.
    unsafe impl Sized_ for Old {
        const FIRST: usize = size_of::<Old>();
        const NAME: &'static str = "old";
    }

    // SAFETY: as above.
    unsafe impl Sized_ for New {
        const FIRST: usize = size_of::<Old>();
        const NAME: &'static str = "new";
    }

    fn size<T>() -> usize {
        size_of::<T>()
    }

    #[test]
    fn an_older_program_gives_fewer_fields() {
        let old = Old { size: size::<Old>(), a: 5 };
        // SAFETY: `read` looks at `size` bytes, the size of `old`.
        let read = unsafe { read((&raw const old).cast::<New>()) }.unwrap().unwrap();
        assert_eq!((read.a, read.b), (5, 0));
    }

    #[test]
    fn a_newer_program_gives_more_fields_which_must_be_zero() {
        let mut new = New { size: size::<New>(), a: 5, b: 0 };
        // SAFETY: `read` looks at `size` bytes, the size of `new`.
        let same = unsafe { read((&raw const new).cast::<Old>()) }.unwrap().unwrap();
        assert_eq!(same.a, 5);
        new.b = 1 << 24;
        // SAFETY: as above.
        let error = unsafe { read((&raw const new).cast::<Old>()) }.unwrap_err().to_string();
        assert!(error.contains("byte 19"), "{error}");
    }

    #[test]
    fn short_sizes_and_garbage_are_refused() {
        for size in [0, 1, 15, 4097, usize::MAX] {
            let mut old = Old { size, a: 0 };
            // SAFETY: a size that is refused is not followed.
            let error = unsafe { read(&raw const old) }.unwrap_err().to_string();
            assert!(error.contains("sizeof(old)"), "{error}");
            // SAFETY: as above.
            assert!(unsafe { place(&raw mut old, "old") }.is_err());
        }
        // SAFETY: NULL is allowed.
        assert!(unsafe { read(std::ptr::null::<Old>()) }.unwrap().is_none());
        // SAFETY: a misaligned address is not followed.
        assert!(unsafe { read(std::ptr::without_provenance::<Old>(1)) }.is_err());
        // SAFETY: NULL is refused.
        assert!(unsafe { place(std::ptr::null_mut::<Old>(), "old") }.is_err());
    }

    #[test]
    fn outputs_go_as_far_as_the_callers_struct() {
        let mut both = [Old { size: size::<Old>(), a: 1 }, Old { size: 77, a: 77 }];
        // SAFETY: the first field says how much of `both` may be written.
        unsafe {
            let place = place(both.as_mut_ptr().cast::<New>(), "new").unwrap();
            place.set(New { size: size::<New>(), a: 2, b: 3 });
        }
        assert_eq!(both[0], Old { size: size::<Old>(), a: 2 });
        assert_eq!(both[1], Old { size: 77, a: 77 });

        let mut new = New { size: size::<New>(), a: 1, b: 9 };
        // SAFETY: as above.
        unsafe {
            let place = place((&raw mut new).cast::<Old>(), "old").unwrap();
            place.set(Old { size: size::<Old>(), a: 2 });
        }
        assert_eq!(new, New { size: size::<New>(), a: 2, b: 0 });
    }
}
