import { useCallback, useState } from "react";
import { ActivityIndicator, Button, Text, TextInput, View } from "react-native";
import {
  NavigationContainer,
  useFocusEffect,
  useNavigation,
} from "@react-navigation/native";
import {
  createNativeStackNavigator,
  type NativeStackNavigationProp,
} from "@react-navigation/native-stack";
import { startAction, startView } from "@throughline/react-native";
import { useSnapshot } from "valtio";
import { profile, rename } from "./profile";

type Screens = { Profile: undefined; Edit: undefined };

const Stack = createNativeStackNavigator<Screens>();

export function App() {
  return (
    <NavigationContainer>
      <Stack.Navigator>
        <Stack.Screen name="Profile" component={Profile} />
        <Stack.Screen name="Edit" component={Edit} />
      </Stack.Navigator>
    </NavigationContainer>
  );
}

/** Makes a screen the current view whenever it is in front. */
function useView(name: string): void {
  useFocusEffect(useCallback(() => startView(name), [name]));
}

function Profile() {
  useView("Profile");
  const { displayName } = useSnapshot(profile);
  const navigation = useNavigation<NativeStackNavigationProp<Screens>>();
  return (
    <View>
      <Text>{displayName}</Text>
      <Button title="Edit" onPress={() => navigation.navigate("Edit")} />
    </View>
  );
}

function Edit() {
  useView("Edit");
  const { displayName, isLoading, error } = useSnapshot(profile);
  const [text, setText] = useState(displayName);
  const save = () => {
    // The tap collects what it causes: the request, and what that changes.
    startAction("save");
    void rename(text);
  };
  return (
    <View>
      <TextInput value={text} onChangeText={setText} />
      <Button title="Save" disabled={isLoading} onPress={save} />
      {isLoading && <ActivityIndicator />}
      {error !== "" && <Text>{error}</Text>}
    </View>
  );
}
