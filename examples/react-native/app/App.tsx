import { useEffect, useState } from "react";
import { ActivityIndicator, Button, Text, TextInput, View } from "react-native";
import {
  NavigationContainer,
  createNavigationContainerRef,
} from "@react-navigation/native";
import { createNativeStackNavigator } from "@react-navigation/native-stack";
import { TouchBoundary, traceNavigation } from "@throughline/react-native";
import { useSnapshot } from "valtio";
import { profile, rename } from "./profile";

type Screens = { Profile: undefined; Edit: undefined };

const Stack = createNativeStackNavigator<Screens>();
const navigation = createNavigationContainerRef<Screens>();

/** Each route is a view, and each touch in the boundary is a tap, without a patched `onPress`. */
export function App() {
  useEffect(() => traceNavigation(navigation), []);
  return (
    <TouchBoundary>
      <NavigationContainer ref={navigation}>
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
  const [text, setText] = useState<string>(displayName);
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
