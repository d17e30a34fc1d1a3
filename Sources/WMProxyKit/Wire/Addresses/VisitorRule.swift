/// Who is let in, by address. `deny` is looked at first; an empty `allow` lets everybody else in.
package struct VisitorRule: Hashable, Sendable {
    /// The only ones that are let in; empty: all.
    package let allow: [Network]
    /// Those that are turned away, whatever `allow` says.
    package let deny: [Network]

    package init(allow: [Network] = [], deny: [Network] = []) {
        self.allow = allow
        self.deny = deny
    }

    /// There is nobody that it turns away.
    package var admitsAll: Bool { allow.isEmpty && deny.isEmpty }

    /// Whether a visitor from `address` is let in. Allots nothing.
    package func admits(_ address: IPAddress) -> Bool {
        !deny.contains(address) && (allow.isEmpty || allow.contains(address))
    }
}
