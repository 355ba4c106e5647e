// Owned by one thread, beside the table whose slots it follows.

/// One value for each slot of a ``SlotTable``: made when the slot is first used and left in place from
/// then on, so that whoever takes the slot begins with it anew instead of making one.
@usableFromInline @safe package final class SlotScratch<Element: ~Copyable> {
    @usableFromInline let elements: UnsafeMutablePointer<Element>
    @usableFromInline let made: UnsafeMutablePointer<Int>
    private let capacity: Int
    private let make: () -> Element

    /// - Parameter capacity: that of the table. Memory is touched as slots are used.
    package init(capacity: Int, _ make: @escaping () -> Element) {
        precondition(capacity > 0)
        self.capacity = capacity
        self.make = make
        unsafe elements = .allocate(capacity: capacity)
        unsafe made = .allocate(capacity: 1)
        unsafe made.initialize(to: 0)
    }

    deinit {
        unsafe elements.deinitialize(count: made.pointee)
        unsafe elements.deallocate()
        unsafe made.deallocate()
    }

    /// Slots that have been reached.
    package var count: Int { unsafe made.pointee }

    /// Sees to it that the slot has its value; a table hands slots out one after the other.
    @inlinable package func reach(_ slot: UInt32) {
        if unsafe Int(slot) >= made.pointee { extend(to: Int(slot)) }
    }

    @usableFromInline func extend(to slot: Int) {
        precondition(slot < capacity)
        // Safety: everything below `made` is initialised, nothing from there on, all inside.
        while unsafe made.pointee <= slot {
            unsafe (elements + made.pointee).initialize(to: make())
            unsafe made.pointee += 1
        }
    }

    /// The value of a slot that has been reached.
    @inlinable package subscript(slot: UInt32) -> Element {
        unsafeAddress {
            precondition(unsafe Int(slot) < made.pointee)
            // Safety: initialised, as just checked, and never moved.
            return unsafe UnsafePointer(elements + Int(slot))
        }
        unsafeMutableAddress {
            precondition(unsafe Int(slot) < made.pointee)
            return unsafe elements + Int(slot)
        }
    }
}
