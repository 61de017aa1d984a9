//! What every event has, written once.

/// Implements the builder methods that every event shares, and the traits.
macro_rules! event {
    ($name:ident, $kind:expr, $lane:expr, $duration:expr, $write:expr $(, $more:item)*) => {
        impl<'a> $name<'a> {
            /// Sets the attributes.
            #[must_use]
            #[inline(always)]
            pub fn attributes(mut self, attributes: &'a [Attribute<'a>]) -> Self {
                self.common.attributes = attributes;
                self
            }

            /// Puts the event into a trace.
            #[must_use]
            pub fn trace(mut self, trace: TraceContext) -> Self {
                self.common.trace = Some(trace);
                self
            }

            /// Names the action that caused the event.
            #[must_use]
            pub fn action_id(mut self, action: Uuid) -> Self {
                self.common.action_id = Some(action);
                self
            }

            /// Sets the wall time, ns since the Unix epoch.
            #[must_use]
            pub fn at(mut self, wall_ns: u64) -> Self {
                self.common.time = Some(wall_ns);
                self
            }
        }

        impl Sealed for $name<'_> {}

        impl Event for $name<'_> {
            fn kind(&self) -> EventKind {
                $kind
            }

            fn lane(&self) -> Lane {
                let lane: fn(&Self) -> Lane = $lane;
                lane(self)
            }

            fn common(&self) -> &Common<'_> {
                &self.common
            }

            fn duration(&self) -> Option<std::time::Duration> {
                let duration: fn(&Self) -> Option<std::time::Duration> = $duration;
                duration(self)
            }

            fn write(&self, out: &mut Encoder<'_>) {
                let write: fn(&Self, &mut Encoder<'_>) = $write;
                write(self, out);
            }

            $($more)*
        }
    };
}

pub(super) use event;
