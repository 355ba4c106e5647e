/// Objects that live as long as their list, reached without counting references.
///
/// An element of an array of objects is retained for as long as it is used: two locked instructions
/// and forty others each time, on a request's way a dozen times (measured).
@usableFromInline @safe package final class ObjectList<Object: AnyObject> {
    @usableFromInline let objects: [Object]
    @usableFromInline let pointers: UnsafeMutablePointer<Unmanaged<Object>>

    package init(_ objects: [Object]) {
        self.objects = objects
        unsafe pointers = .allocate(capacity: max(1, objects.count))
        for (index, object) in objects.enumerated() {
            unsafe (pointers + index).initialize(to: Unmanaged.passUnretained(object))
        }
    }

    deinit { unsafe pointers.deallocate() }

    /// Lends the object at `index` to `body`; traps outside the list.
    @inlinable @inline(__always) package func with<Result>(
        _ index: Int, _ body: (Object) -> Result
    ) -> Result {
        precondition(index >= 0 && index < objects.count)
        // Safety: initialised above, and `objects` holds the reference for the list's life.
        return unsafe pointers[index]._withUnsafeGuaranteedRef(body)
    }
}
