/// One noncopyable value at a stable place, owned by one thread.
///
/// A worker keeps its large scratch values here: a stored property of a class would be checked for
/// overlapping access at run time on every touch (measured at some thirty instructions each).
@usableFromInline @safe package final class Pinned<Value: ~Copyable> {
    @usableFromInline let pointer: UnsafeMutablePointer<Value>

    package init(_ value: consuming Value) {
        unsafe pointer = .allocate(capacity: 1)
        unsafe pointer.initialize(to: value)
    }

    deinit {
        unsafe pointer.deinitialize(count: 1)
        unsafe pointer.deallocate()
    }

    @inlinable package var value: Value {
        unsafeAddress {
            // Safety: initialised in `init`, never moved before `deinit`.
            return unsafe UnsafePointer(pointer)
        }
        unsafeMutableAddress {
            return unsafe pointer
        }
    }
}
