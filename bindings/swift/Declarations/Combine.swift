public protocol Publisher<Output, Failure> {
    associatedtype Output
    associatedtype Failure: Error
}

public protocol Subject: Publisher {}

public enum Record {}
public final class AnyCancellable {}
public enum Publishers {}
public enum Subscribers {}
