import { useState } from "react";
import { ActivityIndicator, Button, Text, TextInput, View } from "react-native";
import {
  NavigationContainer,
  createNavigationContainerRef,
} from "@react-navigation/native";
import { createNativeStackNavigator } from "@react-navigation/native-stack";
import { TouchBoundary } from "@throughline/react-native";
import { traceNavigation } from "@throughline/react-native/navigation";
import { useSnapshot } from "valtio";
import { profile, rename } from "./profile";

type Screens = { Profile: undefined; Edit: undefined };

const Stack = createNativeStackNavigator<Screens>();
const navigation = createNavigationContainerRef<Screens>();

/** Each screen is a view, and each touch in the boundary is a tap, without a patched `onPress`. */
export function App() {
  return (
    <TouchBoundary>
      <NavigationContainer
        ref={navigation}
        onReady={() => traceNavigation(navigation)}
      >
        <Stack.Navigator>
          <Stack.Screen name="Profile" component={Profile} />
          <Stack.Screen name="Edit" component={Edit} />
        </Stack.Navigator>
      </NavigationContainer>
    </TouchBoundary>
  );
}

function Profile() {
  const { displayName } = useSnapshot(profile);
  return (
    <View>
      <Text>{displayName}</Text>
      <Button
        testID="edit"
        title="Edit"
        onPress={() => navigation.navigate("Edit")}
      />
    </View>
  );
}

function Edit() {
  const { displayName, isLoading, error } = useSnapshot(profile);
  const [text, setText] = useState(displayName);
  return (
    <View>
      <TextInput value={text} onChangeText={setText} />
      <Button
        testID="save"
        title="Save"
        disabled={isLoading}
        onPress={() => void rename(text)}
      />
      {isLoading && <ActivityIndicator />}
      {error !== "" && <Text>{error}</Text>}
    </View>
  );
}
