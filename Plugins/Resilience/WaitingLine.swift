/// A queue that can be left: first come, first served, and any of them may go before.
struct WaitingLine<Element> {
    private struct Place {
        let ticket: UInt64
        /// Nil once it has left.
        var element: Element?
    }

    // By ticket, ascending.
    private var places: [Place] = []
    private var head = 0
    private var lastTicket: UInt64 = 0
    /// Who is still there.
    private(set) var count = 0

    /// Places kept at most beyond twice those that are needed.
    private static var slack: Int { 32 }

    /// The ticket to leave by. None is given twice.
    mutating func append(_ element: Element) -> UInt64 {
        lastTicket &+= 1
        places.append(Place(ticket: lastTicket, element: element))
        count += 1
        return lastTicket
    }

    mutating func popFirst() -> Element? {
        while head < places.count {
            let element = places[head].element
            places[head].element = nil
            head += 1
            if let element {
                count -= 1
                compact()
                return element
            }
        }
        compact()
        return nil
    }

    /// False when the ticket's turn has come, or it has left.
    mutating func remove(_ ticket: UInt64) -> Bool {
        var low = head
        var high = places.count
        while low < high {
            let middle = (low + high) / 2
            if places[middle].ticket < ticket { low = middle + 1 } else { high = middle }
        }
        guard low < places.count, places[low].ticket == ticket, places[low].element != nil else { return false }
        places[low].element = nil
        count -= 1
        compact()
        return true
    }

    /// In the long run a constant amount of work each time.
    private mutating func compact() {
        guard places.count > 2 * count + Self.slack || count == 0 else { return }
        places.removeAll { $0.element == nil }
        head = 0
    }

    /// Memory it takes, in elements.
    var size: Int { places.count }
}
