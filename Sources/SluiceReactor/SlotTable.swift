import Glibc

// Owned by one thread. Slots are handed out lowest-recently-freed first; a slot's generation grows
// with each removal, so that a token of an earlier tenant never matches a later one.

/// A table of noncopyable values at stable places, addressed by slot, guarded by generation.
///
/// Memory for all slots is reserved at once and touched as they are used, so that nothing moves and
/// nothing is allocated in steady state. This type is what lets the proxy be written without `unsafe`.
@usableFromInline @safe package final class SlotTable<Element: ~Copyable> {
    @usableFromInline let elements: UnsafeMutablePointer<Element>
    /// Where the element of a slot in use is, nil of the others: one look finds both.
    @usableFromInline let places: UnsafeMutablePointer<UnsafeMutablePointer<Element>?>
    @usableFromInline let generations: UnsafeMutablePointer<UInt32>
    @usableFromInline let links: UnsafeMutablePointer<UInt32>
    /// Slots at most.
    @usableFromInline package let capacity: Int
    /// What changes, apart from the class: its stored properties are checked for overlapping access
    /// on every touch, at some seventy instructions each (measured).
    @usableFromInline let state: UnsafeMutablePointer<SlotTableState>

    /// Elements in the table.
    @inlinable package var count: Int { unsafe state.pointee.count }

    /// - Parameter capacity: 1 … 2^31.
    package init(capacity: Int) {
        precondition(capacity > 0 && capacity <= 1 << 31)
        self.capacity = capacity
        unsafe elements = .allocate(capacity: capacity)
        // Zeroed by the kernel, page by page as they are touched: an even generation is a free slot.
        unsafe generations = Self.zeroed(capacity, of: UInt32.self)
        unsafe places = Self.zeroed(capacity, of: UnsafeMutablePointer<Element>?.self)
        unsafe links = .allocate(capacity: capacity)
        unsafe state = .allocate(capacity: 1)
        unsafe state.initialize(to: SlotTableState())
    }

    /// Memory for so many values, all bits zero.
    private static func zeroed<Value>(_ capacity: Int, of _: Value.Type)
        -> UnsafeMutablePointer<Value>
    {
        guard let zeroed = unsafe calloc(capacity, MemoryLayout<Value>.stride) else {
            fatalError("out of memory: a table of \(capacity) slots")
        }
        return unsafe zeroed.assumingMemoryBound(to: Value.self)
    }

    deinit {
        let touched = unsafe Int(state.pointee.touched)
        for slot in 0..<touched where unsafe generations[slot] & 1 == 1 {
            unsafe (elements + slot).deinitialize(count: 1)
        }
        unsafe elements.deallocate()
        unsafe free(generations)
        unsafe free(places)
        unsafe links.deallocate()
        unsafe state.deallocate()
    }

    /// Whether no further element fits.
    @inlinable package var isFull: Bool { count == capacity }

    /// Puts an element into a free slot; the table must not be full.
    @inlinable package func insert(_ element: consuming Element) -> UInt32 {
        precondition(count < capacity, "slot table is full; the caller checks isFull")
        let slot = takeFreeSlot()
        // Safety: the slot is uninitialised: its generation was even.
        unsafe (elements + Int(slot)).initialize(to: element)
        unsafe places[Int(slot)] = elements + Int(slot)
        return slot
    }

    /// Makes an element in a free slot, where a large one would else be copied to; the table must not
    /// be full. `make` must not touch the table.
    @inlinable @inline(__always) package func insert(making make: () -> Element) -> UInt32 {
        precondition(count < capacity, "slot table is full; the caller checks isFull")
        let slot = takeFreeSlot()
        // Safety: as above.
        unsafe (elements + Int(slot)).initialize(to: make())
        unsafe places[Int(slot)] = elements + Int(slot)
        return slot
    }

    /// Takes the element out; the slot must be in use.
    @inlinable package func remove(_ slot: UInt32) -> Element {
        precondition(isInUse(slot))
        // Safety: the slot is in use, so its element is initialised; it no longer is afterwards.
        let element = unsafe (elements + Int(slot)).move()
        giveSlotBack(slot)
        return element
    }

    /// Destroys the element where it is; the slot must be in use.
    @inlinable package func discard(_ slot: UInt32) {
        precondition(isInUse(slot))
        // Safety: as for `remove`.
        unsafe (elements + Int(slot)).deinitialize(count: 1)
        giveSlotBack(slot)
    }

    @usableFromInline func takeFreeSlot() -> UInt32 {
        let slot: UInt32
        let free = unsafe state.pointee.firstFree
        if free != .max {
            slot = free
            // Safety: a freed slot's link was written by `giveSlotBack`.
            unsafe state.pointee.firstFree = unsafe links[Int(slot)]
        } else {
            slot = unsafe state.pointee.touched
            unsafe state.pointee.touched += 1
        }
        unsafe generations[Int(slot)] &+= 1
        unsafe state.pointee.count += 1
        return slot
    }

    @usableFromInline func giveSlotBack(_ slot: UInt32) {
        unsafe places[Int(slot)] = nil
        unsafe generations[Int(slot)] &+= 1
        unsafe links[Int(slot)] = unsafe state.pointee.firstFree
        unsafe state.pointee.firstFree = slot
        unsafe state.pointee.count -= 1
    }

    /// Whether the slot holds an element.
    @inlinable package func isInUse(_ slot: UInt32) -> Bool {
        guard Int(slot) < capacity else { return false }
        // Safety: the slot is inside the table, and every generation is initialised.
        return unsafe generations[Int(slot)] & 1 == 1
    }

    /// The slot's generation as tokens carry it (24 bits).
    @inlinable package func generation(_ slot: UInt32) -> UInt32 {
        precondition(Int(slot) < capacity)
        return unsafe generations[Int(slot)] & 0xFF_FFFF
    }

    /// Whether the token's element is still the one in its slot.
    @inlinable package func holds(_ token: Token) -> Bool {
        isInUse(token.slot) && generation(token.slot) == token.generation
    }

    /// The token of the element in `slot`.
    @inlinable package func token(_ kind: TokenKind, _ slot: UInt32) -> Token {
        Token(kind: kind, slot: slot, generation: generation(slot))
    }

    /// The element in a slot that is in use.
    @inlinable package subscript(slot: UInt32) -> Element {
        unsafeAddress { unsafe UnsafePointer(place(slot)) }
        unsafeMutableAddress { unsafe place(slot) }
    }

    /// Where the element of a slot in use is; traps for any other.
    @inlinable @inline(__always) func place(_ slot: UInt32) -> UnsafeMutablePointer<Element> {
        precondition(Int(slot) < capacity)
        // Safety: the slot is inside the table, and every place is initialised; one that is there is
        // that of an element in use, hence initialised, and never moved.
        guard let place = unsafe places[Int(slot)] else {
            preconditionFailure("the slot is not in use")
        }
        return unsafe place
    }

    /// The slots in use, lowest first; for sweeps such as a drain.
    package func slotsInUse() -> [UInt32] {
        let touched = unsafe state.pointee.touched
        return (0..<touched).filter { isInUse($0) }
    }
}

/// What changes in a ``SlotTable`` beside its elements.
@usableFromInline struct SlotTableState {
    /// Slots that were ever used.
    @usableFromInline var touched: UInt32 = 0
    @usableFromInline var firstFree: UInt32 = .max
    @usableFromInline var count = 0

    init() {}
}
