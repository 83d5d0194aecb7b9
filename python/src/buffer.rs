//! The buffer protocol in both directions, with one binary for every CPython from 3.9 on.
//!
//! The limited C API has the buffer protocol only from 3.11 on, so pyo3 offers neither
//! `__getbuffer__` nor `PyBuffer` to an `abi3-py39` module. The interpreters themselves have had all
//! of it for much longer: the functions and the layout of `Py_buffer` are the same in every
//! Python 3 (3.11 declared exactly that layout stable), and `PyType_FromSpec` takes the two buffer
//! slots from 3.9 on. So they are declared here, and each exporting class is made in two steps:
//!
//! 1. a `#[pyclass(subclass)]` with all methods and all data, written as any other class;
//! 2. a heap type over it, made by `PyType_FromSpecWithBases`, that adds the two buffer slots and
//!    nothing else ([`BufferType`]). It is this type that Python code sees and that instances have.
//!
//! All unsafe code of the module is here, but for the promise that each exporting class makes.

use crate::errors::{OrRaise, invalid, raise};
use pyo3::PyClass;
use pyo3::exceptions::{PyBufferError, PyRuntimeError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;
use pyo3::types::{PyBytes, PyTuple, PyType};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};

/// CPython's `Py_buffer`.
#[repr(C)]
struct RawBuffer {
    buf: *mut c_void,
    /// A reference to the exporting object, owned by this struct; null when nothing is held.
    obj: *mut ffi::PyObject,
    len: ffi::Py_ssize_t,
    itemsize: ffi::Py_ssize_t,
    readonly: c_int,
    ndim: c_int,
    format: *mut c_char,
    shape: *mut ffi::Py_ssize_t,
    strides: *mut ffi::Py_ssize_t,
    suboffsets: *mut ffi::Py_ssize_t,
    internal: *mut c_void,
}

const _: () = assert!(size_of::<RawBuffer>() == 80 && align_of::<RawBuffer>() == 8);

const EMPTY: RawBuffer = RawBuffer {
    buf: ptr::null_mut(),
    obj: ptr::null_mut(),
    len: 0,
    itemsize: 0,
    readonly: 0,
    ndim: 0,
    format: ptr::null_mut(),
    shape: ptr::null_mut(),
    strides: ptr::null_mut(),
    suboffsets: ptr::null_mut(),
    internal: ptr::null_mut(),
};

/// Contiguous bytes, whatever the items are.
const PYBUF_SIMPLE: c_int = 0;
const PYBUF_WRITABLE: c_int = 1;

/// Slot numbers of `PyType_Spec`, the same from 3.9 on.
const BF_GETBUFFER: c_int = 1;
const BF_RELEASEBUFFER: c_int = 2;

unsafe extern "C" {
    fn PyObject_GetBuffer(obj: *mut ffi::PyObject, view: *mut RawBuffer, flags: c_int) -> c_int;
    fn PyBuffer_Release(view: *mut RawBuffer);
    fn PyBuffer_FillInfo(
        view: *mut RawBuffer,
        exporter: *mut ffi::PyObject,
        buf: *mut c_void,
        len: ffi::Py_ssize_t,
        readonly: c_int,
        flags: c_int,
    ) -> c_int;
}

/// The memory of some object, held for as long as this value lives: the exporter may neither free
/// nor resize it.
pub(crate) struct View<'py> {
    raw: RawBuffer,
    _attached: PhantomData<Python<'py>>,
}

impl<'py> View<'py> {
    /// The bytes of anything that has the buffer protocol and is contiguous.
    pub(crate) fn read(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        Self::get(object, PYBUF_SIMPLE)
    }

    /// The same, to be written.
    pub(crate) fn write(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        Self::get(object, PYBUF_WRITABLE)
    }

    fn get(object: &Bound<'py, PyAny>, flags: c_int) -> PyResult<Self> {
        let mut view = View { raw: EMPTY, _attached: PhantomData };
        // SAFETY: `object` is a live object, its lifetime proves that this thread is attached, and
        // `raw` is a `Py_buffer` for the interpreter to fill.
        if unsafe { PyObject_GetBuffer(object.as_ptr(), &mut view.raw, flags) } != 0 {
            // On failure nothing is held; `obj` must be null then, but a foreign exporter could
            // have forgotten that, and this value is about to be dropped.
            view.raw.obj = ptr::null_mut();
            return Err(PyErr::fetch(object.py()));
        }
        Ok(view)
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        match NonNull::new(self.raw.buf.cast::<u8>()) {
            // SAFETY: the exporter keeps `len` bytes at `buf` in place until the buffer is released,
            // which happens when `self` is dropped. Other code could change the bytes meanwhile
            // (another thread writing a bytearray that is being sent): what is done with this slice
            // is to copy it, once, so that the message can be torn and nothing else.
            Some(start) => unsafe { std::slice::from_raw_parts(start.as_ptr(), self.len()) },
            None => &[],
        }
    }

    /// Only for views made by [`View::write`].
    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        debug_assert!(self.raw.readonly == 0);
        match NonNull::new(self.raw.buf.cast::<u8>()) {
            // SAFETY: as above; the exporter was asked for writable memory. The slice is only copied
            // into.
            Some(start) => unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), self.len()) },
            None => &mut [],
        }
    }

    fn len(&self) -> usize {
        usize::try_from(self.raw.len).unwrap_or(0)
    }
}

impl Drop for View<'_> {
    fn drop(&mut self) {
        // SAFETY: 'py says that the thread is attached. `raw` was filled by `PyObject_GetBuffer`, or
        // its `obj` is null, which makes this a call without effect.
        unsafe { PyBuffer_Release(&mut self.raw) }
    }
}

/// The bytes to be sent: `bytes` objects, the commonest case, without the detour through a view.
pub(crate) enum Data<'a, 'py> {
    Bytes(&'a [u8]),
    View(View<'py>),
}

impl<'a, 'py> Data<'a, 'py> {
    #[inline]
    pub(crate) fn of(object: &'a Bound<'py, PyAny>) -> PyResult<Self> {
        match object.cast::<PyBytes>() {
            Ok(bytes) => Ok(Data::Bytes(bytes.as_bytes())),
            Err(_) => View::read(object).map(Data::View),
        }
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Data::Bytes(bytes) => bytes,
            Data::View(view) => view.as_slice(),
        }
    }
}

/// Why an exporting object refuses. Made without the interpreter, so also under a lock; a lock must
/// not be held where the interpreter may switch threads.
pub(crate) enum Problem {
    /// Views of its memory exist.
    Views { what: &'static str, done: &'static str, n: usize },
    /// It is in the wrong state.
    State(String),
}

impl Problem {
    pub(crate) fn state(sentence: impl Into<String>) -> Self {
        Problem::State(sentence.into())
    }

    #[cold]
    pub(crate) fn raise(self, py: Python<'_>) -> PyErr {
        match self {
            Problem::State(sentence) => invalid(py, sentence),
            Problem::Views { what, done, n } => PyBufferError::new_err(format!(
                "{what} cannot be {done} while views of its memory exist: release them first \
                 (del array, view.release()); views alive: {n}"
            )),
        }
    }
}

/// What an object shows when asked for a buffer.
pub(crate) enum Shown<'py> {
    /// Memory, counted: [`Exporter::unshow`] is called once for it.
    Memory { start: *mut u8, len: usize, readonly: bool },
    /// The memory of another object, which then is the owner of the view.
    Other(Bound<'py, PyAny>),
}

/// A class whose instances export a buffer.
///
/// # Safety
/// The memory that `show` returns must stay mapped, and must not be put to another use, until the
/// matching call of `unshow` or the end of the object, whichever comes first.
pub(crate) unsafe trait Exporter: PyClass<Frozen = True> + Sync {
    /// The name that Python sees, with its module.
    const PY_NAME: &'static CStr;
    /// The doc string.
    const ABOUT: &'static CStr;
    /// How instances are come by, for the error when somebody calls the class.
    const MADE_BY: &'static str;

    /// The type made over this class.
    fn buffer_type(py: Python<'_>) -> PyResult<&BufferType>;
    /// A view is wanted.
    fn show<'py>(&self, py: Python<'py>) -> PyResult<Shown<'py>>;
    /// A view of [`Shown::Memory`] has gone. Must not use the interpreter, which may have an
    /// exception under way; an error is reported as unraisable.
    fn unshow(&self) -> mailboat::Result<()>;
}

/// The heap type over an [`Exporter`].
pub(crate) struct BufferType {
    class: Py<PyType>,
    /// `tp_new` of the class below, which makes empty instances.
    new: ffi::newfunc,
    no_args: Py<PyTuple>,
}

impl BufferType {
    pub(crate) fn make<T: Exporter>(py: Python<'_>) -> PyResult<Self> {
        let base = T::type_object(py);
        let mut slots = [
            slot(BF_GETBUFFER, get_buffer::<T> as *mut c_void),
            slot(BF_RELEASEBUFFER, release_buffer::<T> as *mut c_void),
            slot(ffi::Py_tp_new, refuse_new::<T> as *mut c_void),
            slot(ffi::Py_tp_doc, T::ABOUT.as_ptr().cast_mut().cast()),
            slot(0, ptr::null_mut()),
        ];
        let mut spec = ffi::PyType_Spec {
            name: T::PY_NAME.as_ptr(),
            // 0: as the base. No field is added, so the base's own functions for freeing and for
            // the garbage collector fit, and are inherited.
            basicsize: 0,
            itemsize: 0,
            // Not a base for Python classes: `show` relies on `new_instance` having been used.
            flags: ffi::Py_TPFLAGS_DEFAULT as u32,
            slots: slots.as_mut_ptr(),
        };
        let bases = PyTuple::new(py, [&base])?;
        // SAFETY: `slots` ends with a zero entry and holds functions of the types that their slots
        // ask for; name and doc are static; bases is a tuple with one type. The interpreter copies
        // spec and slots.
        let class = unsafe {
            Bound::from_owned_ptr_or_err(
                py,
                ffi::PyType_FromSpecWithBases(&mut spec, bases.as_ptr()),
            )?
        };
        // SAFETY: `base` is a heap type, as every type made by pyo3.
        let new = unsafe { ffi::PyType_GetSlot(base.as_type_ptr(), ffi::Py_tp_new) };
        if new.is_null() {
            return Err(PyRuntimeError::new_err("a buffer class without a constructor"));
        }
        Ok(BufferType {
            class: class.cast_into::<PyType>()?.unbind(),
            // SAFETY: a non-null value of the slot Py_tp_new is a function of this type.
            new: unsafe { std::mem::transmute::<*mut c_void, ffi::newfunc>(new) },
            no_args: PyTuple::empty(py).unbind(),
        })
    }

    pub(crate) fn class<'py>(&self, py: Python<'py>) -> &Bound<'py, PyType> {
        self.class.bind(py)
    }
}

fn slot(slot: c_int, pfunc: *mut c_void) -> ffi::PyType_Slot {
    ffi::PyType_Slot { slot, pfunc }
}

/// An empty instance of the buffer type of `T`, to be filled by the caller.
#[inline]
pub(crate) fn new_instance<T: Exporter>(py: Python<'_>) -> PyResult<Bound<'_, T>> {
    let made = T::buffer_type(py)?;
    // SAFETY: `new` is the `tp_new` of the class of `T`; it is called with a subtype of that class,
    // a tuple and no keywords, as the interpreter would do it, and returns a new reference to an
    // instance of that subtype or null with an exception set.
    unsafe {
        let instance =
            (made.new)(made.class.as_ptr().cast(), made.no_args.as_ptr(), ptr::null_mut());
        Ok(Bound::from_owned_ptr_or_err(py, instance)?.cast_into_unchecked())
    }
}

unsafe extern "C" fn refuse_new<T: Exporter>(
    _class: *mut ffi::PyTypeObject,
    _args: *mut ffi::PyObject,
    _kwargs: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls this with the thread attached.
    let py = unsafe { Python::assume_attached() };
    PyTypeError::new_err(T::MADE_BY).restore(py);
    ptr::null_mut()
}

/// `bf_getbuffer`.
unsafe extern "C" fn get_buffer<T: Exporter>(
    object: *mut ffi::PyObject,
    view: *mut RawBuffer,
    flags: c_int,
) -> c_int {
    // SAFETY: the interpreter calls this with the thread attached.
    let py = unsafe { Python::assume_attached() };
    if view.is_null() {
        PyBufferError::new_err("no view to fill").restore(py);
        return -1;
    }
    // SAFETY: the caller's `Py_buffer`. Its `obj` has to be null when this call fails.
    unsafe { (*view).obj = ptr::null_mut() };
    // SAFETY: a live object, of the type this function was installed in.
    let object = unsafe { Bound::from_borrowed_ptr(py, object) };
    guarded(py, || {
        let exporter = object.cast::<T>()?.get();
        let status = match exporter.show(py)? {
            // SAFETY: a live object, and the caller's struct to fill.
            Shown::Other(other) => unsafe { PyObject_GetBuffer(other.as_ptr(), view, flags) },
            Shown::Memory { start, len, readonly } => {
                // No mapping is larger than half of the address space.
                let len = len as ffi::Py_ssize_t;
                let readonly = c_int::from(readonly);
                // SAFETY: the caller's struct to fill. Start, length and the promise that the memory
                // stays come from `show`. The reference to `object` that goes into the view keeps
                // the object alive until the view is released.
                let status = unsafe {
                    PyBuffer_FillInfo(view, object.as_ptr(), start.cast(), len, readonly, flags)
                };
                if status != 0 {
                    // Nothing can be waiting for this view to go: it never was.
                    let _ = exporter.unshow();
                }
                status
            }
        };
        if status == 0 { Ok(()) } else { Err(PyErr::fetch(py)) }
    })
    .map_or_else(
        |error| {
            error.restore(py);
            -1
        },
        |()| 0,
    )
}

/// `bf_releasebuffer`. The interpreter calls it once for each view that `get_buffer` filled with
/// this object as its owner, before it drops the view's reference to the object.
unsafe extern "C" fn release_buffer<T: Exporter>(
    object: *mut ffi::PyObject,
    _view: *mut RawBuffer,
) {
    // SAFETY: the interpreter calls this with the thread attached.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: a live object: the view still holds its reference.
    let object = unsafe { Bound::from_borrowed_ptr(py, object) };
    let failure = match guarded(py, || Ok(object.cast::<T>()?.get().unshow())) {
        Ok(Ok(())) => return,
        Ok(Err(error)) => Ok(error),
        Err(defect) => Err(defect),
    };
    // Whoever releases a view may have an exception on its way, which must come out unharmed.
    let (mut kind, mut value, mut trace) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    // SAFETY: attached; the three places are filled with references that go back below.
    unsafe { ffi::PyErr_Fetch(&mut kind, &mut value, &mut trace) };
    let error = failure.map_or_else(|defect| defect, |error| raise(py, error));
    error.write_unraisable(py, Some(&object));
    // SAFETY: the references fetched above, given back.
    unsafe { ffi::PyErr_Restore(kind, value, trace) };
}

/// Turns a panic into an exception: it must not reach the interpreter's frames.
fn guarded<R>(_py: Python<'_>, body: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| {
        Err(PyRuntimeError::new_err("a defect in mailboat: panic in the buffer protocol"))
    })
}

/// Bodies of at least this size are copied with the interpreter let go, so that other threads of
/// the process run meanwhile.
pub(crate) const LARGE: usize = 64 << 10;

/// A `bytes` object with a copy of the body of a message in hand.
#[inline]
pub(crate) fn body_of<'py>(
    py: Python<'py>,
    receipt: &mailboat::Receipt,
) -> PyResult<Bound<'py, PyBytes>> {
    // SAFETY: the memory of a receipt stays while the receipt lives, and it is borrowed here.
    unsafe { copied(py, receipt.as_ptr(), receipt.len()) }
}

/// A `bytes` object with a copy of what an object shows, or the very object that it shows.
pub(crate) fn bytes_of<'py, T: Exporter>(
    py: Python<'py>,
    exporter: &T,
) -> PyResult<Bound<'py, PyBytes>> {
    match exporter.show(py)? {
        Shown::Other(other) => Ok(other.cast_into::<PyBytes>()?),
        Shown::Memory { start, len, .. } => {
            // SAFETY: the memory stays until `unshow`, by the contract of the trait.
            let bytes = unsafe { copied(py, start, len) };
            exporter.unshow().or_raise(py)?;
            bytes
        }
    }
}

/// A `bytes` object with a copy of memory that other processes can write, so that no slice may be
/// made of it.
///
/// # Safety
/// `len` bytes from `start` on stay readable during the call, also while other threads run.
unsafe fn copied<'py>(
    py: Python<'py>,
    start: *const u8,
    len: usize,
) -> PyResult<Bound<'py, PyBytes>> {
    struct Copy(*const u8, *mut u8, usize);
    // SAFETY: one thread uses the pointers: the one that waits for the copy.
    unsafe impl Send for Copy {}
    impl Copy {
        /// # Safety
        /// As for `copy_nonoverlapping`.
        unsafe fn run(self) {
            // SAFETY: the caller's promise.
            unsafe { ptr::copy_nonoverlapping(self.0, self.1, self.2) }
        }
    }
    // SAFETY: null asks for an object with uninitialised contents, all of which are written before
    // anybody sees it. (A length that is no `Py_ssize_t` would be negative, and refused.)
    let bytes = unsafe {
        let bytes = ffi::PyBytes_FromStringAndSize(ptr::null(), len as ffi::Py_ssize_t);
        Bound::from_owned_ptr_or_err(py, bytes)?.cast_into_unchecked::<PyBytes>()
    };
    // SAFETY: a bytes object, which has its bytes in place.
    let target = unsafe { ffi::PyBytes_AsString(bytes.as_ptr()) }.cast::<u8>();
    let copy = Copy(start, target, len);
    // SAFETY: source and length are the caller's promise; the target is a fresh object of this
    // length that no other thread can know yet, and so does not overlap.
    unsafe { if len < LARGE { copy.run() } else { py.detach(|| copy.run()) } }
    Ok(bytes)
}
