// Owned by one thread. Slots are handed out lowest-recently-freed first; a slot's generation grows
// with each removal, so that a token of an earlier tenant never matches a later one.

/// A table of noncopyable values at stable places, addressed by slot, guarded by generation.
///
/// Memory for all slots is reserved at once and touched as they are used, so that nothing moves and
/// nothing is allocated in steady state. This type is what lets the proxy be written without `unsafe`.
@safe package final class SlotTable<Element: ~Copyable> {
    @usableFromInline let elements: UnsafeMutablePointer<Element>
    @usableFromInline let generations: UnsafeMutablePointer<UInt32>
    private let links: UnsafeMutablePointer<UInt32>
    /// Slots at most.
    package let capacity: Int
    /// Slots that were ever used.
    @usableFromInline var touched: UInt32 = 0
    private var firstFree: UInt32 = .max
    /// Elements in the table.
    package private(set) var count = 0

    /// - Parameter capacity: 1 … 2^31.
    package init(capacity: Int) {
        precondition(capacity > 0 && capacity <= 1 << 31)
        self.capacity = capacity
        unsafe elements = .allocate(capacity: capacity)
        unsafe generations = .allocate(capacity: capacity)
        unsafe links = .allocate(capacity: capacity)
    }

    deinit {
        for slot in 0..<Int(touched) where unsafe generations[slot] & 1 == 1 {
            unsafe (elements + slot).deinitialize(count: 1)
        }
        unsafe elements.deallocate()
        unsafe generations.deallocate()
        unsafe links.deallocate()
    }

    /// Whether no further element fits.
    package var isFull: Bool { count == capacity }

    /// Puts an element into a free slot; the table must not be full.
    package func insert(_ element: consuming Element) -> UInt32 {
        precondition(count < capacity, "slot table is full; the caller checks isFull")
        let slot: UInt32
        if firstFree != .max {
            slot = firstFree
            // Safety: a freed slot's link was written by `remove`.
            firstFree = unsafe links[Int(slot)]
            unsafe generations[Int(slot)] &+= 1
        } else {
            slot = touched
            touched += 1
            unsafe generations[Int(slot)] = 1
        }
        count += 1
        // Safety: the slot is uninitialised: its generation was even, or it was never used.
        unsafe (elements + Int(slot)).initialize(to: element)
        return slot
    }

    /// Takes the element out; the slot must be in use.
    package func remove(_ slot: UInt32) -> Element {
        precondition(isInUse(slot))
        // Safety: the slot is in use, so its element is initialised; it no longer is afterwards.
        let element = unsafe (elements + Int(slot)).move()
        unsafe generations[Int(slot)] &+= 1
        unsafe links[Int(slot)] = firstFree
        firstFree = slot
        count -= 1
        return element
    }

    /// Whether the slot holds an element.
    @inlinable package func isInUse(_ slot: UInt32) -> Bool {
        // Safety: slots below `touched` have an initialised generation.
        guard slot < touched else { return false }
        return unsafe generations[Int(slot)] & 1 == 1
    }

    /// The slot's generation as tokens carry it (24 bits).
    @inlinable package func generation(_ slot: UInt32) -> UInt32 {
        precondition(slot < touched)
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
        unsafeAddress {
            precondition(isInUse(slot))
            // Safety: in use, hence initialised, and never moved.
            return unsafe UnsafePointer(elements + Int(slot))
        }
        unsafeMutableAddress {
            precondition(isInUse(slot))
            return unsafe elements + Int(slot)
        }
    }

    /// The slots in use, lowest first; for sweeps such as a drain.
    package func slotsInUse() -> [UInt32] {
        (0..<touched).filter { isInUse($0) }
    }
}
