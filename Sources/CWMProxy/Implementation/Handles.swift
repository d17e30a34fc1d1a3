// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Glibc
import WMPEngine
import WMPIO

/// The live handles: what the host holds is a number that stands here, never an address of ours.
///
/// A number is not used twice, so a handle that was freed, or is none, is told from a live one.
enum Handles {
    private struct Entry {
        let object: any AnyObject & Sendable
        /// The process it was made in: a fork's child has the memory, but none of the threads.
        let process: pid_t
        var isEnding = false
    }

    private struct Table {
        var entries: [UInt: Entry] = [:]
        var last: UInt = 0
    }

    private static let table = Guarded(Table(), isStatic: true)

    /// Numbers are apart like addresses, and odd where addresses are even.
    static func insert(_ object: any AnyObject & Sendable) -> OpaquePointer? {
        table.withLock { table in
            table.last += 16
            let number = table.last | 1
            table.entries[number] = Entry(object: object, process: getpid())
            return OpaquePointer(bitPattern: number)
        }
    }

    /// The object of a handle.
    static func find<T: AnyObject>(_ handle: OpaquePointer?, as type: T.Type) throws(TunnelError) -> T {
        try get(handle, type, ending: false)
    }

    /// The same for the one call that ends it: from here on a second such call is refused. Then `remove` or `keep`.
    static func end<T: AnyObject>(_ handle: OpaquePointer?, as type: T.Type) throws(TunnelError) -> T {
        try get(handle, type, ending: true)
    }

    static func keep(_ handle: OpaquePointer?) {
        table.withLock { $0.entries[UInt(bitPattern: handle)]?.isEnding = false }
    }

    static func remove(_ handle: OpaquePointer?) {
        // The object is let go outside the lock: its end may take a while.
        _ = table.withLock { $0.entries.removeValue(forKey: UInt(bitPattern: handle)) }
    }

    private static func get<T: AnyObject>(_ handle: OpaquePointer?, _ type: T.Type, ending: Bool) throws(TunnelError)
        -> T
    {
        let result: Result<any AnyObject & Sendable, TunnelError> = table.withLock { table in
            let number = UInt(bitPattern: handle)
            guard let entry = table.entries[number], entry.object is T else {
                return .failure(TunnelError(.badHandle, "not a live handle of this type"))
            }
            guard entry.process == getpid() else {
                return .failure(
                    TunnelError(.forked, "the handle belongs to the parent of this process: make a new one here"))
            }
            if ending {
                guard !entry.isEnding else { return .failure(TunnelError(.badState, "another thread is stopping it")) }
                table.entries[number]?.isEnding = true
            }
            return .success(entry.object)
        }
        guard let object = try result.get() as? T else {
            throw TunnelError(.badHandle, "not a live handle of this type")
        }
        return object
    }
}
