import CSluiceLinux

/// The process's malloc(3).
package enum Allocator {
    private static let largeBytes: Int32 = 131_072

    /// From now on what is large is the kernel's again as soon as it is freed.
    ///
    /// Left to itself glibc keeps more and more: its threshold grows with each piece that is freed, up to
    /// 32 MiB, and bodies that grew leave pieces of all sizes behind. Measured: 2,000 chunked uploads that
    /// may hold 64 MiB made the process take 135 to 168 MiB and keep them; with this 97 MiB, and 34 MiB
    /// afterwards. Source: mallopt(3).
    package static func returnLargePieces() { sluice_map_large_allocations(largeBytes) }
}
