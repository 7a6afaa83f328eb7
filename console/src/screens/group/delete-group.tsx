import { useSignal } from "@preact/signals";
import { deleteGroup } from "../../api/broker";
import { words } from "../../api/client";
import { go, link } from "../../router";
import { ConfirmDialog } from "../../ui/dialog";
import { say } from "../../ui/toast";

export function DeleteGroup({ name, onClose }: { name: string; onClose: () => void }) {
  const text = useSignal("");
  const error = useSignal<string | null>(null);
  const confirm = async () => {
    try {
      await deleteGroup(name);
      say(`Group ${name} deleted`);
      go(link("groups"));
    } catch (failure) {
      error.value = words(failure);
    }
  };
  return (
    <ConfirmDialog
      title="Delete the group?"
      action="Delete group"
      typed={name}
      text={text.value}
      onText={(value) => (text.value = value)}
      error={error.value}
      onConfirm={() => void confirm()}
      onClose={onClose}
    >
      <p>Its committed offsets are forgotten: who reads in it next begins anew. The messages stay.</p>
    </ConfirmDialog>
  );
}
