// The native module. React Native makes one for each JavaScript runtime.
#import <ThroughlineSpec/ThroughlineSpec.h>

@interface ThroughlineModule : NSObject <NativeThroughlineSpec>
@end
