import { useSignal } from "@preact/signals";
import { deleteTopic } from "../../api/broker";
import { words } from "../../api/client";
import { go, link } from "../../router";
import { ConfirmDialog } from "../../ui/dialog";
import { say } from "../../ui/toast";

export function DeleteTopic({ name, onClose }: { name: string; onClose: () => void }) {
  const text = useSignal("");
  const error = useSignal<string | null>(null);
  const confirm = async () => {
    try {
      await deleteTopic(name);
      say(`Topic ${name} deleted`);
      go(link("topics"));
    } catch (failure) {
      error.value = words(failure);
    }
  };
  return (
    <ConfirmDialog
      title="Delete the topic?"
      action="Delete topic"
      typed={name}
      text={text.value}
      onText={(value) => (text.value = value)}
      error={error.value}
      onConfirm={() => void confirm()}
      onClose={onClose}
    >
      <p>All its messages go from the disk at once. Nobody can bring them back.</p>
    </ConfirmDialog>
  );
}
