import SluiceTime

/// What the queue tells a worker about one of its waiting requests.
package enum Grant: ~Copyable {
    /// Send it now.
    case dispatch(token: UInt64, permit: Permit)
    /// It waited too long, or had to make room.
    case shed(token: UInt64, Shed)
}
